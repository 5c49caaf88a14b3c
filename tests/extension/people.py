"""What the company's people do in these tests: at the counter over its own pages, at the extension in the browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import FilePayload, Page

from gateway.demo.backdrop import Backdrop
from gateway.demo.browse import Browser, Form
from gateway.demo.company import PEOPLE
from gateway.demo.people import Player
from tests.extension.browser import Chromium, png
from tests.extension.relay import Relay

_STEPS: dict[tuple[str, str], int] = {}
"""The last code's time step of a person at a counter: a code is good once, whichever test used it."""


def spent(player: Player) -> None:
    """Remember which codes somebody has used elsewhere."""
    [key] = [someone.key for someone in PEOPLE if someone.name == player.name]
    _STEPS[(player.counter, key)] = player.last_step


@dataclass(slots=True)
class Office:
    """The running company, one person's browser, and the wire between that browser and the desk."""

    company: Backdrop
    browser: Chromium
    relay: Relay

    async def at_counter(self, person: Browser, key: str) -> None:
        """Sign in at the counter as someone of the sample company, by their demonstration card."""
        counter = self.company.settings.counter_url
        page = await person.get(f"{counter}/s/demo")
        await person.submit(page.form("/s/demo", person=self.company.staffed.people[key]))

    @property
    def inside(self) -> str:
        """The counter's inside address, where devices are managed."""
        settings = self.company.settings
        return f"http://{urlsplit(settings.counter_url).hostname}:{settings.counter_inside.port}"

    async def pairing_code(self, key: str) -> str:
        """Return a fresh pairing code of a person, read off the counter's page."""
        async with Browser() as person:
            await self.at_counter(person, key)
            devices = await person.get(f"{self.inside}/s/devices")
            page = await person.submit(devices.form("/s/pair"))
            node = page.tree.css_first(".pair-code")
            assert node is not None, page.words()
            return node.text().strip()

    async def pair(self, key: str = "lu") -> Page:
        """Pair the extension on its options page; return that page."""
        await self.browser.allow("http://" + (urlsplit(self.company.settings.desk_url).hostname or "") + "/*")
        options = await self.browser.page("options/options.html")
        await options.fill("#address", self.company.settings.desk_url)
        await options.fill("#code", await self.pairing_code(key))
        await options.click("#pair")
        await options.wait_for_selector("#unpair")
        return options

    async def revoke_devices(self, key: str) -> None:
        """End every session of a person's paired extensions on the counter's page of devices."""
        async with Browser() as person:
            await self.at_counter(person, key)
            page = await person.get(f"{self.inside}/s/devices")
            forms = [Form.of(page.url, node) for line in page.tree.css("li, tr") if "Chrome" in line.text() for node in line.css("form[action*='devices/end']")]
            assert forms, page.words()
            for form in forms:
                await person.submit(form)

    async def sign(self, key: str, title: str) -> None:
        """Sign the open step of an item at the counter with a code that was not used yet."""
        [item] = [item for item in await self.mine() if item["title"] == title]
        await self.sign_one(key, item["id"])

    async def sign_one(self, key: str, submission: str) -> None:
        """Sign the open step of a submission, by its id."""
        async with self._signer(key) as person:
            await person.sign(submission)

    async def release_on(self, key: str, title: str, channel: str) -> None:
        """Release one channel of those that an item waits for, and leave the others."""
        [item] = [item for item in await self.mine() if item["title"] == title]
        async with self._signer(key) as person:
            page = await person.browser.get(f"{person.counter}/s/item/{item['id']}")
            sheet = await person.browser.submit(page.form("/s/sheet", submission=item["id"]), channel=channel)
            done = await person.browser.submit(sheet.form("/s/prove"), code=await person.code())
            assert done.status == 200, done.words()

    @contextlib.asynccontextmanager
    async def blackout(self, channel: str, kind: str, reason: str, last_day: str) -> AsyncIterator[None]:
        """Have two people set a blackout on a channel, from now to the end of a day, and lift it afterwards."""
        await self._change({"kind": "blackout"}, over=f"channel:{channel}", days=kind, reason=reason, end_day=last_day)
        try:
            yield
        finally:
            await self._change({"kind": "lift"}, reason=f"提前解除：{reason}")

    async def _change(self, holding: dict[str, str], **typed: str) -> None:
        """Propose by one on the counter's page of changes, confirm by another."""
        for key, action, chosen, said in (("he", "/i/changes/propose", holding, typed), ("xu", "/i/changes/confirm", {}, {})):
            async with self._signer(key) as person:
                page = await person.browser.get(f"{self.inside}/i/changes")
                sheet = await person.browser.submit(page.form(action, **chosen), **said)
                done = await person.browser.submit(sheet.form("/s/prove"), code=await person.code())
                assert done.status == 200, done.words()

    @contextlib.asynccontextmanager
    async def _signer(self, key: str) -> AsyncIterator[Player]:
        settings = self.company.settings
        async with Browser() as browser:
            person = Player(
                name=key, person=self.company.staffed.people[key], secret=self.company.staffed.secrets[key], counter=settings.counter_url, inside=self.inside,
                desk=settings.desk_url, browser=browser, last_step=_STEPS.get((settings.counter_url, key), 0),
            )
            await person.sign_in()
            yield person
            _STEPS[(settings.counter_url, key)] = person.last_step

    async def send_back(self, key: str, title: str, reason: str, *notes: tuple[str, str, str], text: str = "") -> None:
        """Send an item back at the counter, with notes {quote, words, suggestion} at their places."""
        [item] = [item for item in await self.mine() if item["title"] == title]
        typed = {f"{name}{at}": words for at, note in enumerate(notes) for name, words in zip(("quote", "note", "fix"), note, strict=True)}
        async with Browser() as person:
            await self.at_counter(person, key)
            page = await person.get(f"{self.company.settings.counter_url}/s/item/{item['id']}")
            done = await person.submit(page.form("/s/return"), reason=reason, text=text, **typed)
        assert done.status == 200, done.words()

    async def captured(self, title: str) -> Page:
        """Capture the editor's page and return the panel with everything filled in but the click."""
        await self.browser.store({"language": "zh"})
        page = await self.browser.visit("wechat")
        panel = await self.browser.panel(await self.browser.capture(page))
        await panel.wait_for_selector("#form:not([hidden])")
        await panel.fill("#title", title)
        await panel.set_input_files("#body .tile input", files=FilePayload(name="a.png", mimeType="image/png", buffer=png(7, 900, 500)))
        await panel.select_option("#category", "company")
        await eventually(panel, "document.querySelector('#saved').textContent === '已自动保存'")
        return panel

    async def answered(self, panel: Page) -> None:
        """Wait until the gateway's answer stands above the button."""
        await eventually(panel, "document.querySelector('#preflight .route') !== null")

    async def tick(self) -> None:
        """Let the alarm ring now; it wakes the worker if it is dead."""
        page = await self.browser.page("managed_schema.json")
        await page.evaluate("chrome.alarms.create('tick', {when: Date.now()})")
        await page.close()

    async def mine(self) -> list[dict[str, Any]]:
        """Return the paired person's submissions as the desk's API tells them."""
        session = await self.browser.stored("session")
        async with Browser() as person:
            status, answer = await person.json(
                "GET", f"{self.company.settings.desk_url}/api/v1/submissions", headers={"Authorization": f"Bearer {session['token']}"},
            )
        assert status == 200, answer
        found: list[dict[str, Any]] = answer["submissions"]
        return found


async def eventually(page: Page, expression: str, seconds: float = 30) -> None:
    """Wait until an expression is true; the pages' policy forbids what Playwright's own waiting needs."""
    end = asyncio.get_running_loop().time() + seconds
    while not await page.evaluate(expression):
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"never: {expression}\n" + await page.inner_text("body"))
        await asyncio.sleep(0.1)


async def until(page: Page, selector: str, seconds: float = 30) -> None:
    """Wait for an element that can be seen."""
    await eventually(page, f"document.querySelector({json.dumps(selector)})?.checkVisibility() === true", seconds)
