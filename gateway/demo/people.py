"""The demo's people: each with a browser of their own and an authenticator that makes the codes of their TOTP secret."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from gateway.demo.browse import Browser, Form, Page, Unexpected
from vault import totp


@dataclass(slots=True)
class Player:
    """One person of the sample company at work; talks to the faces only as a browser would."""

    key: str
    name: str
    person: str
    secret: bytes = field(repr=False)
    counter: str
    inside: str
    desk: str
    browser: Browser
    last_step: int = 0

    async def sign_in(self) -> None:
        """Sign in at the counter with one click on the person's card, as the banner of the demo says."""
        page = await self.browser.get(f"{self.counter}/s/demo")
        await self.browser.submit(page.form("/s/demo", person=self.person))

    async def code(self) -> str:
        """Return a code that was not used yet, waiting for the next one where all of them were."""
        while True:
            now = int(time.time()) // totp.STEP_SECONDS
            for step in (now - 1, now, now + 1):
                if step > self.last_step:
                    self.last_step = step
                    return totp.code_at(self.secret, step)
            await asyncio.sleep(1.0)

    async def prove(self, sheet: Page) -> Page:
        """Give the proof a sheet asks for, ticking what is to be ticked."""
        form = sheet.form("/s/prove")
        ticks = {f"tick{number}": "on" for number in range(_ticks(sheet))}
        return await self.browser.submit(form, code=await self.code(), **ticks)

    async def open(self, submission: str) -> Page:
        """Open a submission's review page."""
        return await self.browser.get(f"{self.counter}/s/item/{submission}")

    async def sign(self, submission: str, verdict: str) -> Page:
        """Approve or release a submission as this person.

        Raises:
            Unexpected: the page offers no such act.
        """
        page = await self.open(submission)
        sheet = await self.browser.submit(self._act(page, verdict), verdict=verdict)
        return await self.prove(sheet)

    @staticmethod
    def _act(page: Page, verdict: str) -> Form:
        for node in page.tree.css("form"):
            form = Form.of(page.url, node)
            if "/s/sheet" in form.action and (form.fields.get("verdict", verdict) == verdict):
                return form
        raise Unexpected(f"no {verdict} on {page.url}: {page.words()[:400]}")

    async def api(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Call the desk's JSON interface with this person's device session."""
        return await self.browser.json(method, f"{self.desk}/api/v1{path}", body, headers={"Accept-Language": "zh-CN"})


def _ticks(sheet: Page) -> int:
    return sum(1 for node in sheet.tree.css("input[type=checkbox]") if (node.attributes.get("name") or "").startswith("tick"))
