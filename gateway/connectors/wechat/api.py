"""WeChat's calls: raw UTF-8 JSON, success or failure by `errcode` only, the access token in the address and nowhere else.

`Api.ask` is for reading and preparing: a refused token is replaced once. `Api.once` is for the commit: one request, whatever
comes back is reported as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from gateway.connectors import multipart
from gateway.connectors.answers import json_object
from gateway.connectors.base import Call
from gateway.connectors.transport import NotSent, Reply, ReplyLost
from gateway.connectors.wechat.tokens import Tokens
from gateway.connectors.wechat.words import TOKEN_CODES, refused

Json = dict[str, Any]
_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole JSON answer: its error code (0 for success), WeChat's words, and the object."""

    code: int
    said: str
    value: Json


class Api:
    """WeChat's interface for the length of one call."""

    def __init__(self, call: Call, tokens: Tokens) -> None:
        self._call = call
        self._tokens = tokens

    async def ask(self, path: str, value: Json) -> Json:
        """Return the answer of a JSON call that may be repeated.

        Raises:
            PlatformRefused: an error code, `unreachable`, or `malformed`.
        """
        return await self._ask(path, "", _JSON, _encode(value))

    async def upload(self, path: str, file: multipart.File, query: str = "") -> Json:
        """Return the answer of an upload.

        Raises:
            PlatformRefused: as `ask`.
        """
        content_type, body = multipart.encode({}, file)
        return await self._ask(path, query, {"Content-Type": content_type}, body)

    async def token(self) -> str:
        """Return a token for `once`.

        Raises:
            PlatformRefused: see `Tokens.get`.
        """
        return await self._tokens.get(self._call)

    async def once(self, path: str, value: Json, token: str) -> Answer | None:
        """Send one JSON call once; None where the answer is no whole JSON object with status 200.

        Raises:
            NotSent, ReplyLost: see `Transport.request`.
        """
        answer = _read(await self._send(path, "", _JSON, _encode(value), token))
        if answer is not None and answer.code in TOKEN_CODES:
            self._tokens.forget(self._call, token)
        return answer

    async def _ask(self, path: str, query: str, headers: dict[str, str], body: bytes) -> Json:
        for last in (False, True):
            token = await self.token()
            try:
                answer = _read(await self._send(path, query, headers, body, token))
            except (NotSent, ReplyLost):
                raise refused("unreachable") from None
            if answer is None:
                raise refused("malformed")
            if not answer.code:
                return answer.value
            if answer.code in TOKEN_CODES:
                self._tokens.forget(self._call, token)
            if last or answer.code not in TOKEN_CODES:
                raise refused(answer.code, answer.said)
        raise AssertionError("the second round always ends")

    async def _send(self, path: str, query: str, headers: dict[str, str], body: bytes, token: str) -> Reply:
        address = f"{self._call.base_url}/cgi-bin/{path}?access_token={quote(token, safe='')}{query}"
        return await self._call.transport.request("POST", address, headers=headers, data=body, deadline=self._call.deadline)


def _encode(value: Json) -> bytes:
    """Return JSON in raw UTF-8: WeChat refuses or keeps escapes by code point."""
    return json.dumps(value, ensure_ascii=False).encode()


def _read(reply: Reply) -> Answer | None:
    value = json_object(reply)
    if reply.status != 200 or value is None:
        return None
    code = value.get("errcode", 0)
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    return Answer(code=code, said=str(value.get("errmsg", "")), value=value)
