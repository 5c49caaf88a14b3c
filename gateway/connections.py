"""The open connections of one face: how many there may be, and when one that only waits makes room or is cut.

Whoever opens connections and says nothing, half a head or half a body, would otherwise take every file handle of the process, the log's too.
A TLS handshake has `HANDSHAKE_SECONDS`, a head `listening.KEEPALIVE_SECONDS`; a body must go on arriving, an answer go on being read
(`listening.serve_tcp`); and where a face has no room for one more, a connection that has waited longest without a whole request goes, handshakes
after the others. What is whole and being answered is never cut: when nothing else is left, the new one is refused.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST: Final = 1024
"""Connections a face holds at most; also never more than a quarter of the handles that the process may open."""
HANDLES: Final = 65_536
"""Handles a process asks for at most; many systems give a process 1,024 until it asks."""
PATIENCE: Final = 20.0
"""Seconds in which a body that is still to come must grow by `LEAST` bytes, and some of an answer must be taken."""
HANDSHAKE_SECONDS: Final = 10.0
"""Seconds a connection has until it speaks TLS; asyncio would give it a minute."""
LEAST: Final = 4096

log = structlog.get_logger("connections")


def most_connections() -> int:
    """Let this process open as many handles as it may, up to `HANDLES`, and return how many connections one face of it holds then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = HANDLES if hard == resource.RLIM_INFINITY else min(hard, HANDLES)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // 4)


class Connections:
    """Makes a protocol for each new connection of one face, `most` at a time; `watched` is its outermost middleware."""

    def __init__(self, *, most: int, patience: float = PATIENCE) -> None:
        self._most, self.patience = most, patience
        self._server: web.Server | None = None
        self._context: ssl.SSLContext | None = None
        self._asked: dict[asyncio.BaseProtocol, web.Request] = {}
        self._greeting: dict[_Greeting, asyncio.Transport] = {}

    def serve(self, server: web.Server, context: ssl.SSLContext | None = None) -> None:
        """Take the server whose connections these are, and what they speak TLS with."""
        self._server, self._context = server, context

    def __call__(self) -> asyncio.BaseProtocol:
        """Return what speaks with a new connection: the server's, after a TLS handshake where there is one, or what hangs up."""
        assert self._server is not None
        if not self._has_room(self._server):
            return _Refused()
        return self._server() if self._context is None else _Greeting(self._context, self._server, self._greeting)

    def close(self) -> None:
        """End the handshakes under way; the server ends the rest."""
        for transport in self._greeting.values():
            transport.abort()

    def _has_room(self, server: web.Server) -> bool:
        if len(server.connections) + len(self._greeting) < self._most:
            return True
        # All in the order in which they came.
        greeting = [transport for transport in self._greeting.values() if not transport.is_closing()]
        open_ = {found: found.transport for found in server.connections if found.transport is not None and not found.transport.is_closing()}
        over = len(open_) + len(greeting) - self._most + 1  # the system hands over many in one turn: some may be too many already
        if over <= 0:
            return True
        silent = [transport for found, transport in open_.items() if found not in self._asked]
        waiting = [*silent, *greeting] or [transport for found, transport in open_.items() if not self._asked[found].content.is_eof()]
        if not waiting:
            log.warning("every connection is being answered; a new one was refused", action="connection_refused", most=self._most)
            return False
        for transport in waiting[:over]:
            transport.abort()
        return True

    @web.middleware
    async def watched(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer as `handler` does; cut the connection when the rest of the body does not come."""
        self._asked[request.protocol] = request
        look = _Look(request, self.patience) if not request.content.is_eof() else None
        try:
            return await handler(request)
        except ConnectionResetError:
            if request.transport is not None and not request.transport.is_closing():
                raise
            return web.Response(status=408)  # nobody is there to read it
        finally:
            if look is not None:
                look.end()
            self._asked.pop(request.protocol, None)


class _Look:
    """Looks now and then whether a body still arrives."""

    def __init__(self, request: web.Request, patience: float) -> None:
        self._request, self._patience, self._seen = request, patience, 0
        self._timer = asyncio.get_running_loop().call_later(patience, self._look)

    def _look(self) -> None:
        arrived = self._request.content.total_bytes
        if self._request.content.is_eof():
            return
        if arrived - self._seen < LEAST:
            log.warning("the rest of a request did not come", action="connection_cut", arrived=arrived)
            if self._request.transport is not None:
                self._request.transport.abort()
            return
        self._seen = arrived
        self._timer = asyncio.get_running_loop().call_later(self._patience, self._look)

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()


class _Greeting(asyncio.Protocol):
    """A connection until it speaks TLS; then the server's own protocol goes on with it."""

    def __init__(self, context: ssl.SSLContext, server: web.Server, listed: dict[_Greeting, asyncio.Transport]) -> None:
        self._context, self._server, self._listed = context, server, listed
        self._early: list[bytes] = []
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it and begin."""
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._listed[self] = transport
        self._task = asyncio.get_running_loop().create_task(self._greet(transport))

    def data_received(self, data: bytes) -> None:
        """Keep what comes with the end of the handshake for the server."""
        self._early.append(data)

    async def _greet(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            speaking = await loop.start_tls(transport, self, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS)
        except OSError:  # no TLS, too old, too slow, or gone again
            return
        finally:
            del self._listed[self]
        if speaking is None or speaking.is_closing():
            return
        protocol = self._server()
        speaking.set_protocol(protocol)
        protocol.connection_made(speaking)
        for data in self._early:
            protocol.data_received(data)


class _Refused(asyncio.Protocol):
    """Hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say nothing; whoever asks again a moment later may find room."""
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
