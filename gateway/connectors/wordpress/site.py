"""Talking to one WordPress: finding its REST root, signing each request, and telling refusals from silence.

1. Only GET and POST leave; a deletion is a POST with the override header, which WordPress's own editor uses too.
2. The password goes nowhere but into the Authorization header, and there only over https or to loopback.
3. A redirect is a refusal: what follows one hands the header to another address.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode, urlsplit

from gateway.connectors.answers import json_object
from gateway.connectors.base import Call
from gateway.connectors.transport import NotSent, Reply, ReplyLost
from gateway.connectors.wordpress.words import refused

Json = dict[str, Any]
DELETE: Final = {"X-HTTP-Method-Override": "DELETE"}


class Site:
    """One site for the length of one call; `roots` remembers where REST roots were found."""

    def __init__(self, call: Call, roots: dict[str, str]) -> None:
        self._call = call
        self._roots = roots
        self._base = call.settings.get("site", "").rstrip("/")
        if not self._base:
            raise refused("site_missing")
        if not _safe(self._base):
            raise refused("plain_http")

    async def find_root(self) -> None:
        """Find the REST root, by path or by query, and remember it.

        Raises:
            PlatformRefused: neither answers as WordPress does, or the site cannot be reached.
        """
        if self._base in self._roots:
            return
        for root in (f"{self._base}/wp-json", f"{self._base}/?rest_route="):
            reply = await self._read(_address(root, "/wp/v2/types/post", {}), {})
            found = json_object(reply) if reply.status == 200 else None
            if found and found.get("rest_base") == "posts":
                self._roots[self._base] = root
                return
        raise refused("not_wordpress")

    def address(self, route: str, query: Mapping[str, str]) -> str:
        """Return the full address of a REST route.

        Raises:
            KeyError: the root has not been found yet.
        """
        return _address(self._roots[self._base], route, query)

    def headers(self) -> dict[str, str]:
        """Return the headers that sign a request."""
        pair = f"{self._call.credential['user']}:{self._call.credential['application_password']}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode(), "Accept": "application/json"}

    async def get(self, route: str, **query: str) -> Any:
        """Return the JSON answer of a read.

        Raises:
            PlatformRefused: WordPress's own error code, `not_wordpress`, or `unreachable` (transient).
        """
        await self.find_root()
        reply = await self._read(self.address(route, query), self.headers())
        if json_object(reply) is None and not reply.body.lstrip().startswith(b"["):
            # The root may have moved, as when permalinks are switched; the next attempt looks for it again.
            self._roots.pop(self._base, None)
        return _accepted(reply)

    async def post(self, route: str, value: Json, *, override: Literal["DELETE"] | None = None, **query: str) -> Json:
        """Return the JSON answer of a preparing write.

        Raises:
            PlatformRefused: as `get`; an answer that never came is `unreachable` too, since preparing may be repeated.
        """
        await self.find_root()
        try:
            reply = await self.send(route, value, override=override, **query)
        except (NotSent, ReplyLost):
            raise refused("unreachable", transient=True) from None
        return _object(_accepted(reply))

    async def send(self, route: str, value: Json, *, override: Literal["DELETE"] | None = None, **query: str) -> Reply:
        """Send one POST and return whatever came back; the root must have been found.

        Raises:
            NotSent, ReplyLost: see `Transport.request`.
        """
        headers = {**self.headers(), "Content-Type": "application/json; charset=utf-8", **(DELETE if override else {})}
        body = json.dumps(value, ensure_ascii=False).encode()
        return await self._call.transport.request(
            "POST", self.address(route, query), headers=headers, data=body, deadline=self._call.deadline,
        )

    async def upload(self, name: str, media_type: str, data: bytes, parent: str) -> Json:
        """Upload a picture under `name`, attached to the post `parent`, and return the attachment.

        Raises:
            PlatformRefused: as `post`.
        """
        await self.find_root()
        headers = {**self.headers(), "Content-Type": media_type, "Content-Disposition": f'attachment; filename="{name}"'}
        try:
            reply = await self._call.transport.request(
                "POST", self.address("/wp/v2/media", {"post": parent}), headers=headers, data=data, deadline=self._call.deadline,
            )
        except (NotSent, ReplyLost):
            raise refused("unreachable", transient=True) from None
        return _object(_accepted(reply))

    async def _read(self, url: str, headers: Mapping[str, str]) -> Reply:
        try:
            return await self._call.transport.request("GET", url, headers=headers, deadline=self._call.deadline)
        except (NotSent, ReplyLost):
            raise refused("unreachable", transient=True) from None


def error_code(reply: Reply) -> str:
    """Return WordPress's own error code of an answer, or an empty text where it has none; `not_signed_in` for every 401.

    WordPress answers a wrong password like a missing right, and tells the two apart only by the status.
    """
    if reply.status == 401:
        return "not_signed_in"
    value = json_object(reply)
    code = value.get("code") if value else None
    return code if isinstance(code, str) else ""


def _accepted(reply: Reply) -> Any:
    if reply.status in {200, 201}:
        try:
            return json.loads(reply.body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            raise refused("not_wordpress", transient=True) from None
    if reply.status >= 500 or reply.status in {408, 429}:
        raise refused(error_code(reply) or "unreachable", transient=True)
    raise refused(error_code(reply) or "not_wordpress")


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise refused("not_wordpress")
    return value


def _address(root: str, route: str, query: Mapping[str, str]) -> str:
    if root.endswith("="):
        return root + quote(route, safe="") + ("&" + urlencode(query) if query else "")
    return root + route + ("?" + urlencode(query) if query else "")


def _safe(base: str) -> bool:
    """Return whether a password may be sent to `base`: https with a host, or http to an address of this machine."""
    parts = urlsplit(base)
    if parts.query or parts.fragment or parts.username is not None or not parts.hostname:
        return False
    if parts.scheme == "https":
        return True
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False
