"""The demo's people: each with a browser of their own and an authenticator that makes the codes of their TOTP secret."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from gateway.demo.browse import Browser, Page, Unexpected
from gateway.demo.company import SampleArticle
from gateway.demo.pictures import landscape
from vault import totp


@dataclass(slots=True)
class Player:
    """One person of the sample company at work; talks to the faces only as a browser would."""

    name: str
    person: str
    secret: bytes = field(repr=False)
    counter: str
    inside: str
    desk: str
    browser: Browser
    token: str = field(default="", repr=False)
    last_step: int = 0
    versions: dict[str, int] = field(default_factory=dict)

    async def sign_in(self) -> None:
        """Sign in at the counter with one click on the person's card."""
        page = await self.browser.get(f"{self.counter}/s/demo")
        await self.browser.submit(page.form("/s/demo", person=self.person))

    async def pair(self) -> None:
        """Pair a device by the code the counter shows, as the browser extension does."""
        devices = await self.browser.get(f"{self.inside}/s/devices")
        shown = await self.browser.submit(devices.form("/s/pair"))
        node = shown.tree.css_first(".pair-code")
        if node is None:
            raise Unexpected(f"no pairing code on {shown.url}: {shown.words()[:300]}")
        status, answer = await self.browser.json("POST", f"{self.desk}/api/v1/session", {"code": node.text().strip(), "device_name": "演示"})
        if status != 201:
            raise Unexpected(f"pairing: {status} {answer}")
        self.token = answer["session"]

    async def code(self) -> str:
        """Return a code that was not used yet, waiting for the next one where all of them were.

        The counter takes a code one step of 30 s late; a code that has fewer than 10 s of that left is not begun with.
        """
        while True:
            now = time.time()
            for step in range(int(now + 10) // totp.STEP_SECONDS - 1, int(now) // totp.STEP_SECONDS + 2):
                if step > self.last_step:
                    self.last_step = step
                    return totp.code_at(self.secret, step)
            await asyncio.sleep(1.0)

    # ---- the counter

    async def sheet(self, submission: str) -> Page:
        """Open a submission's review page and ask for the sheet of what would be signed."""
        page = await self.browser.get(f"{self.counter}/s/item/{submission}")
        return await self.browser.submit(page.form("/s/sheet", submission=submission))

    async def sign(self, submission: str) -> Page:
        """Sign the step that is this person's: look, open the sheet, tick what is to be ticked, give a code."""
        sheet = await self.sheet(submission)
        form = sheet.form("/s/prove")
        boxes = (node.attributes.get("name") or "" for node in sheet.tree.css("input[type=checkbox]"))
        ticks = {name: "on" for name in boxes if name.startswith("tick")}
        page = await self.browser.submit(form, code=await self.code(), **ticks)
        if page.status >= 400:
            raise Unexpected(f"signing as {self.name}: {page.status} {page.words()[:300]}")
        return page

    async def freeze(self, channel: str, reason: str) -> None:
        """Freeze a channel from the page of stops; needs no proof.

        Raises:
            Unexpected: the counter refused it.
        """
        page = await self.browser.get(f"{self.counter}/s/stops")
        answer = await self.browser.submit(page.form("/s/freeze"), scope=f"channel:{channel}", reason=reason)
        if answer.status >= 400 or reason not in answer.words():
            raise Unexpected(f"freezing as {self.name}: {answer.status} {answer.words()[:300]}")

    # ---- the desk's JSON interface

    async def api(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Call the desk's JSON interface with this person's device session."""
        return await self.browser.json(method, f"{self.desk}/api/v1{path}", body,
                                       headers={"Authorization": f"Bearer {self.token}", "Accept-Language": "zh-CN"})

    async def need(self, method: str, path: str, body: Any = None) -> Any:
        """Call it where a refusal is not part of the story."""
        status, answer = await self.api(method, path, body)
        if status >= 400:
            raise Unexpected(f"{method} {path}: {status} {answer}")
        return answer

    async def picture(self, draft: str, name: str) -> str:
        """Upload a picture to a draft and return its digest."""
        status, answer = await self.browser.upload(f"{self.desk}/api/v1/drafts/{draft}/pictures", landscape(name), "image/png",
                                                   headers={"Authorization": f"Bearer {self.token}"})
        if status >= 400:
            raise Unexpected(f"picture: {status} {answer}")
        return str(answer["digest"])

    async def draft(self, article: SampleArticle, *targets: dict[str, Any], weekday: str = "", draft: str = "", scheduled: str | None = None,
                    title: str = "", message: str = "") -> dict[str, Any]:
        """Write (or rewrite) a draft with a cover and return it."""
        form = {
            "title": title or article.title, "summary": article.summary, "author": self.name, "targets": list(targets),
            "facts": {"category": "news"}, "scheduled": scheduled, "message": message,
        }
        if not draft:
            made = await self.need("POST", "/drafts", {**form, "command": secrets.token_hex(8), "html": article.body(weekday=weekday)})
        else:
            made = {"draft": draft, "version": self.versions[draft]}
        cover = await self.picture(made["draft"], article.picture)
        saved: dict[str, Any] = await self.need("PUT", f"/drafts/{made['draft']}", {
            **form, "cover": cover, "version": made["version"], "html": article.body(weekday=weekday)})
        self.versions[saved["draft"]] = saved["version"]
        return saved

    async def submit(self, draft: dict[str, Any]) -> tuple[int, Any]:
        """Hand a draft in and return status and answer."""
        return await self.api("POST", "/submissions", {"command": secrets.token_hex(8), "draft": draft["draft"], "version": draft["version"]})
