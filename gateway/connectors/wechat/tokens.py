"""The access token of each account: fetched in one place, kept in memory only.

1. `stable_token` in normal mode, never by force: it repeats the same token, so nothing else that uses it is broken.
2. One fetch at a time for one account and credential version; whoever waits takes its result.
3. A token is given out until five minutes before its end. One that was refused is forgotten by its value, so that a late
   refusal of an old token does not throw away a new one.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from gateway.connectors.answers import json_object
from gateway.connectors.base import Call
from gateway.connectors.transport import NotSent, ReplyLost
from gateway.connectors.wechat.words import refused

EARLY: Final = timedelta(minutes=5)

_Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    until: datetime


class Tokens:
    """The tokens of all accounts."""

    def __init__(self) -> None:
        self._held: dict[_Key, _Token] = {}
        self._locks: dict[_Key, asyncio.Lock] = {}

    async def get(self, call: Call) -> str:
        """Return a token that is good for five minutes at least, where WeChat gives one.

        Raises:
            PlatformRefused: WeChat refuses the credential or the address, or cannot be reached.
        """
        key = _key(call)
        async with self._locks.setdefault(key, asyncio.Lock()):
            held = self._held.get(key)
            if held is None or held.until <= call.now():
                held = await _fetch(call)
                self._held = {other: token for other, token in self._held.items() if other[:2] != key[:2]} | {key: held}
            return held.value

    def forget(self, call: Call, value: str) -> None:
        """Forget the token `value` that WeChat refused."""
        held = self._held.get(_key(call))
        if held is not None and held.value == value:
            del self._held[_key(call)]


def _key(call: Call) -> _Key:
    return call.base_url, call.credential["appid"], call.credential_version


async def _fetch(call: Call) -> _Token:
    asked = call.now()
    order = {
        "grant_type": "client_credential", "appid": call.credential["appid"], "secret": call.credential["secret"],
        "force_refresh": False,
    }
    try:
        reply = await call.transport.request(
            "POST", f"{call.base_url}/cgi-bin/stable_token", headers={"Content-Type": "application/json"},
            data=json.dumps(order).encode(), deadline=call.deadline,
        )
    except (NotSent, ReplyLost):
        raise refused("unreachable") from None
    answer = json_object(reply)
    if reply.status != 200 or answer is None:
        raise refused("malformed")
    code = answer.get("errcode", 0)
    if isinstance(code, int) and code:
        raise refused(code, str(answer.get("errmsg", "")))
    value, life = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(value, str) or not value or not isinstance(life, int):
        raise refused("malformed")
    # A token shorter than the margin is still good for the call that asked for it.
    return _Token(value, asked + max(timedelta(seconds=life) - EARLY, timedelta(seconds=1)))
