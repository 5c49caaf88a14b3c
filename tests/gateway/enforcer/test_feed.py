"""The feed as the desk asks for it: what waits for news is told of news, and holds up no stop."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway.enforcer.sessions import Sessions
from gateway.enforcer.socket import _change, init_socket
from gateway.listening import serve_unix
from gateway.log.errors import LogUnavailable
from gateway.protocol import commands as c
from tests.gateway.enforcer.house import House


@asynccontextmanager
async def listening(house: House, folder: Path, stack: AsyncExitStack) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the command socket on `stack`, and yield a client of it."""
    sessions = Sessions(folder / "ephemeral.db", house.runner)
    stack.callback(sessions.close)
    path = folder / "run" / "command"
    await serve_unix(stack, init_socket(house.parts, sessions, peer_uids=frozenset({os.getuid()})), path, mode=0o660)
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), base_url="http://enforcer") as client:
        yield client


async def asked(house: House, client: aiohttp.ClientSession) -> asyncio.Task[aiohttp.ClientResponse]:
    """Ask for what comes after the end, and return once the enforcer waits with the answer."""
    before = len(house.runner.listeners)
    after = str(house.state.size)
    task = asyncio.create_task(client.get("/v1/feed", params={"after": after, "wait": "20"}))
    while len(house.runner.listeners) == before:
        await asyncio.sleep(0.005)
    return task


async def test_a_stop_answers_those_who_wait(hand: House, tmp_path: Path) -> None:
    """Closing the socket ends a waiting feed with an empty answer, and leaves no listener behind."""
    before = len(hand.runner.listeners)
    async with AsyncExitStack() as stack, listening(hand, tmp_path, stack) as client:
        waiting = await asked(hand, client)
        await stack.aclose()
        async with await waiting as answer:
            assert answer.status == 200
            value = await answer.json()
    assert (value["entries"], value["size"]) == ([], hand.state.size)
    assert len(hand.runner.listeners) == before


async def test_news_and_a_broken_log_reach_those_who_wait(hand: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next entry is the answer; where the log breaks instead, the answer says so."""
    async with AsyncExitStack() as stack, listening(hand, tmp_path, stack) as client:
        waiting, size = await asked(hand, client), hand.state.size
        await hand.do(c.Freeze(scope="all", target="", reason=hand.parts.values.commit("舆情")), "fang")
        async with await waiting as answer:
            first = (await answer.json())["entries"][0]
        assert (first["seq"], first["type"]) == (size, "freeze.set")
        waiting = await asked(hand, client)

        def fails(*_args: object, **_more: object) -> None:
            raise OSError(errno.EIO, "io")

        monkeypatch.setattr(type(hand.runner.parts.store), "append", fails)
        with pytest.raises(LogUnavailable):
            await hand.do(c.Freeze(scope="all", target="", reason=hand.parts.values.commit("又一次")), "fang2")
        async with await waiting as answer:
            assert answer.status == 503
            assert (await answer.json())["code"] == "log_unavailable"


async def test_news_that_came_before_the_waiting_began_are_not_waited_for(hand: House, tmp_path: Path) -> None:
    """An entry that becomes durable between the question and the wait's first step is news at once."""
    sessions = Sessions(tmp_path / "ephemeral.db", hand.runner)
    try:
        app = init_socket(hand.parts, sessions, peer_uids=frozenset({os.getuid()}))
        async with asyncio.timeout(10):
            await _change(app, hand.state.size - 1, 60)
    finally:
        sessions.close()
