"""Weibo's calls: form bodies, the token in the Authorization header, success or failure by `error_code`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from gateway.connectors import multipart
from gateway.connectors.answers import json_object
from gateway.connectors.base import Call
from gateway.connectors.transport import NotSent, Reply, ReplyLost
from gateway.connectors.weibo.words import refused

Json = dict[str, Any]
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole JSON answer: its error code (0 for success) and the object."""

    code: int
    value: Json


class Api:
    """Weibo's interface for the length of one call."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def get(self, name: str, **query: str) -> Json:
        """Return the answer of a read such as `statuses/show`.

        Raises:
            PlatformRefused: an error code, `unreachable`, or `malformed`.
        """
        return await self._accepted("GET", f"/2/{name}.json" + (f"?{urlencode(query)}" if query else ""), None)

    async def token_info(self) -> Json:
        """Return what Weibo says of the token: `uid`, `expire_in`; the call is not counted.

        Raises:
            PlatformRefused: as `get`.
        """
        return await self._accepted("POST", "/oauth2/get_token_info", {"access_token": self._call.credential["access_token"]})

    async def once(self, name: str, fields: Mapping[str, str], file: multipart.File | None = None) -> Answer | None:
        """Send one POST once; None where the answer is no whole JSON object, or is a server's fault.

        Raises:
            NotSent, ReplyLost: see `Transport.request`.
        """
        content_type, body = multipart.encode(fields, file) if file else (_FORM, urlencode(fields).encode())
        return _read(await self._call.transport.request(
            "POST", f"{self._call.base_url}/2/{name}.json", headers={**self._signed(), "Content-Type": content_type}, data=body,
            deadline=self._call.deadline,
        ))

    async def _accepted(self, method: Any, path: str, form: Mapping[str, str] | None) -> Json:
        headers = self._signed() if form is None else {"Content-Type": _FORM}
        try:
            answer = _read(await self._call.transport.request(
                method, self._call.base_url + path, headers=headers, data=urlencode(form).encode() if form else None,
                deadline=self._call.deadline,
            ))
        except (NotSent, ReplyLost):
            raise refused("unreachable") from None
        if answer is None:
            raise refused("malformed")
        if answer.code:
            raise refused(answer.code)
        return answer.value

    def _signed(self) -> dict[str, str]:
        return {"Authorization": f"OAuth2 {self._call.credential['access_token']}"}


def _read(reply: Reply) -> Answer | None:
    """Return the answer; error codes come as numbers or as text, with status 200, 400 or 403."""
    value = json_object(reply)
    if value is None or reply.status >= 500 or 300 <= reply.status < 400:
        return None
    code = value.get("error_code", 0)
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool) or (not code and reply.status != 200):
        return None
    return Answer(code=code, value=value)
