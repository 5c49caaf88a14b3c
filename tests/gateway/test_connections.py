"""The connections of a face: silence, half heads and half bodies keep nobody out."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest
from aiohttp import web

from gateway.config import Listen
from gateway.connections import LEAST, MOST, Connections, most_connections
from gateway.listening import serve_tcp

HALF_HEAD = b"GET / HTTP/1.1\r\nHost: desk.localhost\r\nX-Slow: "


class Face:
    """A small application behind `Connections`."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.begun = asyncio.Semaphore(0)
        self.large: list[asyncio.Transport] = []
        self.app = web.Application()
        self.app.router.add_get("/", self._hello)
        self.app.router.add_get("/slow", self._slow)
        self.app.router.add_get("/large", self._large)
        self.app.router.add_post("/body", self._body)

    async def _hello(self, _request: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def _large(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self.large.append(request.transport)
        self.begun.release()
        return web.Response(body=bytes(32 << 20))

    async def _slow(self, _request: web.Request) -> web.Response:
        self.begun.release()
        await self.go_on.wait()
        return web.Response(text="late")

    async def _body(self, request: web.Request) -> web.Response:
        self.begun.release()
        return web.Response(text=str(len(await request.read())))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is opened in a test and closed after it."""
    async with AsyncExitStack() as opened:
        yield opened


async def half(stack: AsyncExitStack, port: int, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection until the test ends and say only `said`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.push_async_callback(closed, writer)
    writer.write(said)
    await writer.drain()
    return reader, writer


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close one's own side; the other may have gone first."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def get(port: int, path: str = "/") -> str:
    """Ask over a connection of one's own."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return await response.text()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait until the other side has hung up; true where it said nothing before."""
    try:
        return await asyncio.wait_for(reader.read(), 10) == b""
    except ConnectionResetError:
        return True


async def test_half_heads_by_the_thousand_keep_nobody_out(stack: AsyncExitStack) -> None:
    """With more half heads than a face may hold a person is still answered, each time, and no more are held than it may."""
    most = most_connections()
    face = Face()
    port = await serve_tcp(stack, face.app, Listen(port=0))
    sockets = []
    stack.callback(lambda: [found.close() for found in sockets])
    for number in range(most + 200):
        sockets.append(opened := socket.create_connection(("127.0.0.1", port)))
        opened.sendall(HALF_HEAD)
        if number % 64 == 0:
            assert await get(port) == "hello"
    assert await get(port) == "hello"
    opened = sockets[-1]
    opened.sendall(b"1\r\nConnection: close\r\n\r\n")  # who came last may still go on
    opened.setblocking(False)
    assert (await asyncio.get_running_loop().sock_recv(opened, 100)).startswith(b"HTTP/1.1 200")
    cut = 0
    for found in sockets[:-1]:
        found.setblocking(False)
        try:
            cut += found.recv(1) == b""
        except ConnectionResetError:
            cut += 1
        except BlockingIOError:
            continue
    assert cut >= 200 - 128  # up to a whole backlog of 128 is accepted in one turn of the loop before it is counted


async def test_a_body_that_stops_is_cut_and_one_that_goes_on_is_not(stack: AsyncExitStack) -> None:
    """A body of which nothing more comes ends with its connection; one that arrives slowly is read to its end."""
    face = Face()
    port = await serve_tcp(stack, face.app, Listen(port=0), connections=Connections(most=8, patience=0.5))
    head = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 40960\r\n\r\n"
    stopped, _ = await half(stack, port, head + b"x" * 100)
    reader, writer = await half(stack, port, head)
    for _ in range(10):
        writer.write(b"y" * 4096)
        await writer.drain()
        await asyncio.sleep(0.15)
    assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 200")
    assert await ended(stopped)
    assert LEAST * 10 == 40960


async def test_what_is_being_answered_is_never_cut_for_a_new_one(stack: AsyncExitStack) -> None:
    """When every connection is being answered a new one is refused, and all the others get their answer."""
    face = Face()
    port = await serve_tcp(stack, face.app, Listen(port=0), connections=Connections(most=4))
    asking = [asyncio.create_task(get(port, "/slow")) for _ in range(4)]
    for _ in asking:
        await asyncio.wait_for(face.begun.acquire(), 10)
    refused, _ = await half(stack, port, b"")
    assert await ended(refused)
    face.go_on.set()
    assert await asyncio.gather(*asking) == ["late"] * 4
    assert await get(port) == "hello"


async def test_an_unfinished_body_makes_room_before_anyone_is_refused(stack: AsyncExitStack) -> None:
    """Where every connection has asked, the oldest of which the body is still to come goes."""
    face = Face()
    port = await serve_tcp(stack, face.app, Listen(port=0), connections=Connections(most=2))
    unfinished, _ = await half(stack, port, b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
    slow = asyncio.create_task(get(port, "/slow"))
    for _ in range(2):
        await asyncio.wait_for(face.begun.acquire(), 10)
    assert await get(port) == "hello"
    assert await ended(unfinished)
    face.go_on.set()
    assert await slow == "late"


async def test_an_answer_that_nobody_reads_ends_with_its_connection(stack: AsyncExitStack) -> None:
    """Who asks for much and takes nothing of it is cut by the system; who reads slowly gets all of it."""
    face = Face()
    port = await serve_tcp(stack, face.app, Listen(port=0), connections=Connections(most=8, patience=1.0))
    deaf = socket.socket()
    stack.callback(deaf.close)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", port))
    deaf.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(face.begun.acquire(), 10)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    stack.push_async_callback(closed, writer)
    writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    taken = 0
    for _ in range(5):  # longer than the other's patience in all
        await asyncio.sleep(0.5)
        taken += len(await reader.read(1 << 20))
    async with asyncio.timeout(15):
        while not face.large[0].is_closing():
            await asyncio.sleep(0.1)
    while data := await reader.read(1 << 20):
        taken += len(data)
    assert taken > 32 << 20


def test_a_process_asks_for_the_handles_it_may_have() -> None:
    """The soft limit is raised to what is allowed; a face takes a quarter of it at most."""
    most = most_connections()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == resource.RLIM_INFINITY or soft >= min(hard if hard != resource.RLIM_INFINITY else 65_536, 65_536)
    assert most <= MOST
    assert soft == resource.RLIM_INFINITY or most <= soft // 4
