"""Runs sandboxes on loopback, for tests in one process and for the standalone command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohttp import web

from gateway.sandbox.clock import Clock
from gateway.sandbox.control import ControlPort
from gateway.sandbox.platform import Platform
from gateway.sandbox.server import build_app
from gateway.sandbox.wechat.app import WeChat
from gateway.sandbox.weibo.app import Weibo

LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def listening(app: web.Application, port: int = 0) -> AsyncIterator[str]:
    """Serve an application on loopback and yield its base address; port 0 takes any free one."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, port)
        await site.start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(platforms: Sequence[Platform], ports: Sequence[int] = (), control_port: int = 0) -> AsyncIterator[str]:
    """Serve platforms, each on a port of its own, and yield the address of their common control port."""
    async with AsyncExitStack() as stack:
        for number, platform in enumerate(platforms):
            port = ports[number] if number < len(ports) else 0
            platform.base_url = await stack.enter_async_context(listening(build_app(platform), port))
        yield await stack.enter_async_context(listening(ControlPort(platforms).build_app(), control_port))


@asynccontextmanager
async def running_wechat(*, clock: Clock | None = None, state: Path | None = None) -> AsyncIterator[WeChat]:
    """Run a WeChat sandbox; yields it with `.base_url`, `.control`, `.account()`, `.ledger` and `.faults`."""
    wechat = WeChat(clock=clock, folder=state)
    async with running([wechat]) as control:
        wechat.control = control
        yield wechat


@asynccontextmanager
async def running_weibo(*, clock: Clock | None = None, state: Path | None = None) -> AsyncIterator[Weibo]:
    """Run a Weibo sandbox; yields it with `.base_url`, `.control`, `.user()`, `.app()`, `.ledger` and `.faults`."""
    weibo = Weibo(clock=clock, folder=state)
    async with running([weibo]) as control:
        weibo.control = control
        yield weibo
