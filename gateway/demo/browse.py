"""A person's browser without a screen: pages, forms and cookies over HTTP, nothing else. What it can do, anyone can click."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from selectolax.lexbor import LexborHTMLParser, LexborNode


class Localhost(AbstractResolver):
    """Resolves every name under `localhost` to this machine, as browsers do, and no other name."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:  # noqa: ARG002 -- the interface's
        """Return 127.0.0.1 for `*.localhost`.

        Raises:
            OSError: any other name.
        """
        if host != "localhost" and not host.endswith(".localhost") and host != "127.0.0.1":
            raise OSError(f"the demo talks to this machine only, not to {host}")
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing to close."""


class Unexpected(Exception):
    """A page was not what the story expects; status, address and the page's own words are in the message."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer: where it came from in the end, its status and its text."""

    url: str
    status: int
    text: str

    @property
    def tree(self) -> LexborHTMLParser:
        """The parsed page."""
        return LexborHTMLParser(self.text)

    def words(self) -> str:
        """Return the visible words on one line."""
        body = self.tree.body
        return " ".join((body.text(separator=" ") if body else self.text).split())

    def form(self, action: str, **holding: str) -> Form:
        """Return the first form whose action contains `action` and whose fields have the values `holding`.

        Raises:
            Unexpected: there is none.
        """
        for node in self.tree.css("form"):
            found = Form.of(self.url, node)
            if action in found.action and all(found.fields.get(name) == value for name, value in holding.items()):
                return found
        raise Unexpected(f"no form to {action} on {self.url} ({self.status}): {self.words()[:400]}")

    def link(self, part: str) -> str:
        """Return the address of the first link that contains `part`.

        Raises:
            Unexpected: there is none.
        """
        for node in self.tree.css("a[href]"):
            href = node.attributes.get("href") or ""
            if part in href:
                return urljoin(self.url, href)
        raise Unexpected(f"no link to {part} on {self.url} ({self.status}): {self.words()[:300]}")


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it would be sent if nothing were typed."""

    action: str
    method: str
    fields: dict[str, str]

    @classmethod
    def of(cls, url: str, node: LexborNode) -> Form:
        """Read a form element."""
        fields: dict[str, str] = {}
        for field in node.css("input[name], textarea[name], select[name], button[name]"):
            name, kind = field.attributes.get("name") or "", (field.attributes.get("type") or "").lower()
            if field.tag == "button" or kind in {"submit", "file"}:
                continue
            if kind in {"checkbox", "radio"} and "checked" not in field.attributes:
                continue
            if field.tag == "textarea":
                fields[name] = field.text()
            elif field.tag == "select":
                options = field.css("option")
                chosen = next((o for o in options if "selected" in o.attributes), options[0] if options else None)
                fields[name] = (chosen.attributes.get("value") or "") if chosen is not None else ""
            else:
                fields[name] = field.attributes.get("value") or ""
        return cls(urljoin(url, node.attributes.get("action") or url), (node.attributes.get("method") or "get").upper(), fields)


class Browser:
    """One person's cookies."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Localhost()), cookie_jar=aiohttp.CookieJar(unsafe=True),
            headers={"Accept-Language": "zh-CN", "User-Agent": "qianfa-demo"}, timeout=aiohttp.ClientTimeout(total=60),
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str) -> Page:
        """Open an address and follow where it leads."""
        return await self._request("GET", url)

    async def submit(self, form: Form, **typed: str) -> Page:
        """Send a form with what was typed."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(form.action))
        return await self._request(form.method, form.action, data={**form.fields, **typed}, headers={"Origin": origin})

    async def post(self, url: str, fields: Mapping[str, str]) -> Page:
        """Send fields by hand, without a form on the page that offers them."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        return await self._request("POST", url, data=dict(fields), headers={"Origin": origin})

    async def json(self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Call a JSON interface and return status and answer."""
        assert self._session is not None
        async with self._session.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def upload(self, url: str, data: bytes, kind: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Send raw bytes and return status and answer."""
        assert self._session is not None
        async with self._session.post(url, data=data, headers={**headers, "Content-Type": kind}) as response:
            return response.status, await response.json(content_type=None)

    async def _request(self, method: str, url: str, **more: Any) -> Page:
        assert self._session is not None
        async with self._session.request(method, url, **more) as response:
            return Page(str(response.url), response.status, await response.text())
