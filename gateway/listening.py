"""Listening: TCP with optional TLS and unix sockets for aiohttp applications, closed with the stack they are put on."""

from __future__ import annotations

import os
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web

from gateway.config import Listen

GRACE_SECONDS = 5.0
BACKLOG = 1024
"""Connections that may wait on a unix socket: unlike TCP, one too many is not delayed but refused (connect(2), EAGAIN)."""


async def serve_tcp(stack: AsyncExitStack, app: web.Application, listen: Listen) -> int:
    """Serve `app` as `listen` says and return the port, which is the system's choice for port 0.

    Raises:
        OSError: the port is taken or a TLS file cannot be read.
    """
    runner = await _runner(stack, app)
    context = None
    if listen.certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(listen.certificate, listen.key)
    site = web.TCPSite(runner, listen.host, listen.port, ssl_context=context)
    await site.start()
    return int(runner.addresses[0][1])


async def serve_unix(stack: AsyncExitStack, app: web.Application, path: Path, *, mode: int) -> None:
    """Serve `app` on a unix socket of `mode`, in place of one that a crash left behind."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    runner = await _runner(stack, app)
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, str(path), backlog=BACKLOG).start()
    finally:
        os.umask(before)
    path.chmod(mode)


async def _runner(stack: AsyncExitStack, app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GRACE_SECONDS, keepalive_timeout=30)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner
