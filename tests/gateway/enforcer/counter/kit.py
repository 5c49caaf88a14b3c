"""A counter on real ports over a real house: people with real passwords and codes, and a client that behaves like their browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from gateway import canonical
from gateway.config import Listen
from gateway.enforcer.counter import init_counter
from gateway.enforcer.counter.parts import COUNTER, Counter
from gateway.enforcer.sessions import Sessions, form_token
from gateway.listening import serve_tcp
from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from gateway.protocol.statements import FACTOR_LABEL, list_digest
from tests.gateway.enforcer.house import CHEAP, House
from vault import totp
from vault.passwords import Passwords
from vault.rows import SealedRow
from vault.secretbytes import SecretBytes

PASSWORD = "correct horse battery staple"


@dataclass
class Front:
    """The counter's two listeners, its parts, and everybody's TOTP secrets."""

    house: House
    sessions: Sessions
    counter: Counter
    outside: int
    inside: int
    secrets: dict[str, bytes] = field(default_factory=dict)
    clients: list[Browser] = field(default_factory=list)
    steps: dict[str, int] = field(default_factory=dict)

    def browser(self, *, inside: bool = False, lang: str = "zh") -> Browser:
        """Return a fresh browser at one of the listeners."""
        made = Browser(self, self.inside if inside else self.outside, lang)
        self.clients.append(made)
        return made

    def signed_in(self, person: str, *, inside: bool = False, lang: str = "zh") -> Browser:
        """Return a browser where a person is signed in on a known device."""
        made, who = self.browser(inside=inside, lang=lang), self.house.people[person]
        factor = next(f.id for f in self.house.state.people[who].factors.values() if f.kind == "password")
        device_token, device = self.sessions.know(who, factor=factor, label="Test")
        token, _ = self.sessions.open(who, "counter", factor=factor, device=device.id)
        made.cookies = {"qf_counter": token, "qf_device": device_token}
        return made

    def code(self, person: str) -> str:
        """Return a code of a person that was not used before; the window of three steps gives three in a row."""
        who = self.house.people[person]
        at = totp.step_at(self.house.runner.clock.moment())
        step = max(at - 1, self.steps.get(who, 0) + 1, self.house.state.people[who].totp_step + 1)
        assert step <= at + 1, "no unused code in the window"
        self.steps[who] = step
        return totp.code_at(self.secrets[who], step)

    async def arm(self, *people: str) -> None:
        """Give people a real password and real codes in place of the house's stand-ins."""
        passwords = Passwords(cost=CHEAP, pepper=self.house.parts.vault.mac)
        hashed = passwords.hash(PASSWORD).encode()
        for key in people:
            who = self.house.people[key]
            self.secrets[who] = canonical.sha256(who.encode()).encode()[7:27]
            for kind, secret in (("password", hashed), ("totp", self.secrets[who])):
                row = self._row(f"{kind}-{who}", secret)
                factor = c.Factor(factor=row.secret_id, kind=kind, version=1, sha256=row.sha256)  # type: ignore[arg-type]
                proof = self.house.proof(key, list_digest(FACTOR_LABEL, [(factor.sha256, factor.kind)]))
                await self.house.do(c.AddFactor(factor=factor, proof=proof), key, Grade.PROOF)
            for stand_in in (f"pw-{who}", f"pk-{who}"):
                known = self.house.state.people[who].factors[stand_in]
                proof = self.house.proof(key, list_digest(FACTOR_LABEL, [(known.sha256, "revoke")]))
                await self.house.do(c.RevokeFactor(factor=stand_in, proof=proof), key, Grade.PROOF)

    def _row(self, name: str, secret: bytes) -> SealedRow:
        with SecretBytes(secret) as kept:
            row = self.house.parts.vault.put(secret_id=name, version=1, secret=kept)
        self.house.parts.sealed.insert(row)
        return row


class Browser:
    """A person's browser without scripts: cookies, Origin, form tokens; it follows no redirect by itself."""

    def __init__(self, front: Front, port: int, lang: str) -> None:
        self.front, self.port, self.lang = front, port, lang
        self.cookies: dict[str, str] = {}
        self.origin = f"http://counter.localhost:{port}"
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self.text = ""

    @property
    def token(self) -> str:
        """The form token of the session."""
        return form_token(self.cookies["qf_counter"]) if self.cookies.get("qf_counter") else ""

    async def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> aiohttp.ClientResponse:
        """Send one request and keep its text and cookies."""
        sent = {"Host": f"counter.localhost:{self.port}", "Accept-Language": self.lang,
                "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), **(headers or {})}
        sent = {name: value for name, value in sent.items() if value}
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        async with self.session.request(method, url, headers=sent, allow_redirects=False, **more) as answer:
            self.text = await answer.text(errors="replace")
            for name, morsel in answer.cookies.items():
                self.cookies[name] = morsel.value
            return answer

    async def get(self, path: str, **more: Any) -> aiohttp.ClientResponse:
        """GET a page."""
        return await self.ask("GET", path, **more)

    async def post(self, path: str, fields: dict[str, str] | None = None, *, token: str | None = None,
                   headers: dict[str, str] | None = None) -> aiohttp.ClientResponse:
        """POST a form the way a page of the counter does."""
        data = {"form": self.token if token is None else token, **(fields or {})}
        return await self.ask("POST", path, data=data, headers={"Origin": self.origin, **(headers or {})})

    def field(self, name: str) -> str:
        """Return the value of a hidden field of the page."""
        found = re.search(rf'name="{re.escape(name)}" value="([^"]*)"', self.text)
        assert found is not None, f"no field {name} in: {self.text[:2000]}"
        return unescape(found.group(1))

    async def sheet(self, submission: str, **more: str) -> aiohttp.ClientResponse:
        """Open the sheet of one item as its page would."""
        seen = str(self.front.house.state.submissions[submission].seq)
        return await self.post("/s/sheet", {"submission": submission, "seen": seen, **more})

    async def prove(self, person: str, **more: str) -> aiohttp.ClientResponse:
        """Prove the sheet that is open with a person's next code."""
        return await self.post("/s/prove", {"nonce": self.field("nonce"), "code": self.front.code(person), **more})

    async def sign(self, person: str, submission: str) -> aiohttp.ClientResponse:
        """Open the sheet and prove it."""
        await self.sheet(submission)
        return await self.prove(person)


@asynccontextmanager
async def counter_over(house: House, folder: Path) -> AsyncIterator[Front]:
    """Open the counter of a house on two ports of its own."""
    async with AsyncExitStack() as stack:
        sessions = Sessions(folder / "ephemeral-test.db", house.runner)
        stack.callback(sessions.close)
        outside, inside = init_counter(house.parts, sessions, cost=CHEAP)
        ports = [await serve_tcp(stack, app, Listen(port=0)) for app in (outside, inside)]
        front = Front(house, sessions, outside[COUNTER], *ports)
        try:
            yield front
        finally:
            for client in front.clients:
                await client.session.close()
