"""The desk's only way to the enforcer: HTTP over its unix socket, with a deadline on every call.

An answer that is not 2xx becomes a `Problem` with the enforcer's own words; no answer at all becomes `Unavailable`, and pages then show
what the read model knows.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import ClientSession, ClientTimeout, UnixConnector

from gateway.canonical import Digest

SESSION_HEADER: Final = "X-Qianfa-Session"
QUICK_SECONDS: Final = 3.0
ACT_SECONDS: Final = 20.0
FEED_SECONDS: Final = 30.0
BLOB_LIMIT: Final = 12 << 20
VALUES_A_CALL: Final = 100


class Unavailable(Exception):
    """The enforcer did not answer in time, or not at all; nothing is known about what it did."""


class Problem(Exception):
    """The enforcer said no. `body` is its RFC 9457 problem, in the language that was asked for."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body.get("code", status)))
        self.status = status
        self.body = dict(body)

    @property
    def code(self) -> str:
        """The problem's code, such as `stage_vacant`."""
        return str(self.body.get("code", ""))


class SessionEnded(Problem):
    """The session is unknown or has ended; the person signs in again."""


class CommandSocket:
    """A client of the command socket; open it once a process and close it at the end."""

    def __init__(self, path: Path) -> None:
        self._session = ClientSession(
            connector=UnixConnector(path=str(path)), base_url="http://enforcer", trust_env=False, auto_decompress=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def get(
        self, path: str, *, params: Iterable[tuple[str, str]] = (), session: str = "", lang: str = "zh", deadline: float = QUICK_SECONDS,
    ) -> Any:
        """Return the JSON answer of a reading call.

        Raises:
            Unavailable: no answer within `deadline` seconds.
            Problem: the enforcer said no.
        """
        async with self._call("GET", path, params=list(params), session=session, lang=lang, deadline=deadline) as response:
            return json.loads(await response.read())

    async def post(
        self, path: str, body: Mapping[str, Any], *, session: str = "", lang: str = "zh", deadline: float = ACT_SECONDS,
    ) -> Any:
        """Return the JSON answer of an acting call; see `get` for what is raised."""
        data = json.dumps(body, ensure_ascii=False).encode()
        async with self._call("POST", path, data=data, session=session, lang=lang, deadline=deadline) as response:
            return json.loads(await response.read())

    async def put_blob(self, data: bytes, *, session: str) -> Digest:
        """Store a blob at the enforcer and return the digest it computed."""
        async with self._call("PUT", "/v1/blob", data=data, session=session, deadline=ACT_SECONDS) as response:
            return Digest(json.loads(await response.read())["digest"])

    async def blob(self, digest: str) -> bytes:
        """Return a blob's bytes."""
        async with self._call("GET", f"/v1/blob/{digest}", deadline=QUICK_SECONDS) as response:
            return await response.read()

    async def values(self, commitments: Iterable[str]) -> dict[str, str | None]:
        """Return the texts behind commitments; None for what was erased."""
        wanted, found = list(dict.fromkeys(commitments)), {}
        for start in range(0, len(wanted), VALUES_A_CALL):
            found.update(await self.get("/v1/values", params=[("c", item) for item in wanted[start : start + VALUES_A_CALL]]))
        return found

    @asynccontextmanager
    async def export(self, identifier: str, *, session: str, lang: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open the evidence pack about `identifier` for streaming."""
        data = json.dumps({"id": identifier}).encode()
        async with self._call("POST", "/v1/export", data=data, session=session, lang=lang, deadline=120.0) as response:
            yield response

    @asynccontextmanager
    async def _call(
        self, method: str, path: str, *, deadline: float, session: str = "", lang: str = "zh", data: bytes | None = None,
        params: list[tuple[str, str]] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Accept-Language": lang, "Content-Type": "application/json"}
        if session:
            headers[SESSION_HEADER] = session
        try:
            async with self._session.request(
                method, path, data=data, params=params, headers=headers, allow_redirects=False, timeout=ClientTimeout(total=deadline),
            ) as response:
                if response.status >= 300:
                    raise _problem(response.status, await response.read())
                yield response
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(type(error).__name__) from error


def _problem(status: int, data: bytes) -> Problem:
    try:
        body = json.loads(data)
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    body = {"status": status, "code": f"http_{status}", **body}
    if status >= 500 and body["code"] == f"http_{status}":
        raise Unavailable(f"status {status}")
    return SessionEnded(status, body) if status == 401 else Problem(status, body)
