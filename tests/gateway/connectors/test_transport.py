"""The one way out, against a raw socket server that cuts, stalls, redirects and floods."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import pytest

from gateway.connectors import transport as module
from gateway.connectors.transport import NotSent, ReplyLost, Transport, peer_allowed

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(script: Script) -> AsyncIterator[tuple[str, list[int]]]:
    """Serve a script on loopback; yields the address and the list of connections seen."""
    seen: list[int] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await script(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()
        await server.wait_closed()


def says(answer: bytes, *, read: bool = True) -> Script:
    """A script that reads the request's head and answers these bytes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if read:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return script


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_whole_answer_is_returned() -> None:
    """Status, lower-case headers and body come back."""
    async with serving(says(b"HTTP/1.1 201 Made\r\nX-Thing: 7\r\nContent-Length: 2\r\n\r\nok")) as (url, _), Transport("sandbox") as out:
        reply = await out.request("POST", f"{url}/a?access_token=x%2Fy", data=b"{}")
    assert (reply.status, reply.headers["x-thing"], reply.body) == (201, "7", b"ok")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_answers_and_never_followed(status: int) -> None:
    """A redirect comes back as it is; the second address gets nothing, the credential header least of all."""
    async with serving(says(OK)) as (other, reached):
        moved = f"HTTP/1.1 {status} Moved\r\nLocation: {other}/x\r\nContent-Length: 0\r\n\r\n".encode()
        async with serving(says(moved)) as (url, _), Transport("sandbox") as out:
            reply = await out.request("POST", url, headers={"Authorization": "Basic x"}, data=b"1")
        assert reply.status == status
        assert reached == []


CUTS: dict[str, bytes] = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 20",
    "half the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "no body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhal",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "no HTTP": b"\x00\x01\x02 nonsense\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
    "a giant header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40_000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "a lying encoding": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
}


@pytest.mark.parametrize("cut", CUTS)
async def test_an_answer_cut_anywhere_is_a_lost_reply(cut: str) -> None:
    """Wherever the answer breaks, the request had left: ReplyLost, and one connection only."""
    async with serving(says(CUTS[cut])) as (url, seen), Transport("sandbox") as out:
        for method in ("GET", "POST"):
            with pytest.raises(ReplyLost):
                await out.request(method, url, data=b"1" if method == "POST" else None)
    assert len(seen) == 2, "nothing is sent again by itself"


async def test_a_connection_closed_before_reading_is_a_lost_reply() -> None:
    """The peer hangs up at once; the request may be in its buffers."""
    async with serving(says(b"", read=False)) as (url, seen), Transport("sandbox") as out:
        with pytest.raises(ReplyLost):
            await out.request("POST", url, data=b"1" * 100_000)
    assert len(seen) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_idle_connection_that_died_is_a_lost_reply_and_not_resent(method: Literal["GET", "POST"]) -> None:
    """A kept connection is closed by the peer between two requests: the second fails and is not sent on a new one."""
    connections = 0
    requests = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections, requests
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        writer.write(OK)
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        requests += 1

    async with serving(script) as (url, _), Transport("sandbox") as out:
        assert (await out.request(method, url)).status == 200
        with pytest.raises(ReplyLost):
            await out.request(method, url)
    assert (connections, requests) == (1, 2)


async def test_a_silent_peer_runs_into_the_deadline() -> None:
    """No answer within the deadline is a lost reply, not an endless wait."""
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with serving(silent) as (url, _), Transport("sandbox") as out:
        with pytest.raises(ReplyLost):
            await out.request("POST", url, data=b"1", deadline=0.2)


async def test_an_oversized_answer_is_a_lost_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer over the limit is dropped while it is read."""
    monkeypatch.setattr(module, "REPLY_LIMIT", 1000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
    async with serving(says(answer)) as (url, _), Transport("sandbox") as out:
        with pytest.raises(ReplyLost):
            await out.request("GET", url)


async def test_nobody_listening_is_not_sent() -> None:
    """A refused connection is NotSent: no byte left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with Transport("sandbox") as out:
        with pytest.raises(NotSent):
            await out.request("POST", f"http://127.0.0.1:{port}/", data=b"1")


async def test_a_failing_tls_handshake_is_not_sent() -> None:
    """A peer that speaks no TLS gets no request."""
    async with serving(says(b"HTTP/1.1 400 no\r\n\r\n", read=False)) as (url, _), Transport("sandbox") as out:
        with pytest.raises(NotSent):
            await out.request("POST", url.replace("http:", "https:"), data=b"secret")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://[::1", "/path", "http://127.0.0.1:99999/", "http://nowhere.invalid/"])
async def test_an_impossible_address_is_not_sent(url: str) -> None:
    """What is no reachable http address is NotSent."""
    async with Transport("sandbox") as out:
        with pytest.raises(NotSent):
            await out.request("GET", url)


async def test_a_closed_transport_sends_nothing() -> None:
    """Outside its context the transport refuses."""
    with pytest.raises(NotSent):
        await Transport("sandbox").request("GET", "http://127.0.0.1:1/")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "get", "POST\r\nX: y"])
async def test_no_other_method_is_offered(method: str) -> None:
    """Only GET and POST exist here."""
    async with Transport("sandbox") as out:
        with pytest.raises(ValueError):
            await out.request(method, "http://127.0.0.1:1/")


async def test_a_live_deployment_never_talks_to_loopback() -> None:
    """A live transport refuses a loopback peer before a byte leaves; the server sees no connection."""
    async with serving(says(OK)) as (url, seen), Transport("live") as out:
        for address in (url, url.replace("127.0.0.1", "localhost")):
            with pytest.raises(NotSent):
                await out.request("POST", address, data=b"1")
    assert seen == []


async def test_a_sandbox_deployment_never_talks_to_the_world() -> None:
    """A sandbox transport refuses every address but loopback."""
    async with Transport("sandbox") as out:
        for address in ("192.0.2.1", "10.0.0.1", "[2001:db8::1]"):
            with pytest.raises(NotSent):
                await out.request("GET", f"http://{address}/", deadline=2)


REFUSED_LIVE = [
    "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200",
    "100.64.0.1", "168.63.129.16", "192.0.0.192", "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "203.0.113.5", "fe80::1",
    "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1",
    "2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::",
]


@pytest.mark.parametrize("address", REFUSED_LIVE)
def test_private_and_metadata_peers_are_refused_in_live(address: str) -> None:
    """Loopback, private, shared, link-local, metadata, multicast, reserved and their IPv6 disguises are refused."""
    assert not peer_allowed(address, "live")


@pytest.mark.parametrize("address", ["8.8.8.8", "101.226.212.27", "2400:3200::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_peers_are_allowed_in_live_only(address: str) -> None:
    """A global address is for live deployments and for no sandbox."""
    assert peer_allowed(address, "live")
    assert not peer_allowed(address, "sandbox")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_a_sandbox_talks_to_loopback(address: str) -> None:
    """Loopback in any spelling is what a sandbox may reach."""
    assert peer_allowed(address, "sandbox")


async def test_proxy_variables_and_cookies_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not used; a cookie that is set does not come back."""
    heads: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with serving(says(OK)) as (proxy, used), serving(script) as (url, _):
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy)
        async with Transport("sandbox") as out:
            await out.request("GET", f"{url}/one")
            await out.request("GET", f"{url}/two")
    assert used == []
    assert len(heads) == 2
    assert b"cookie" not in heads[1].lower()


async def test_errors_name_the_cause_and_not_the_address() -> None:
    """Neither the error nor anything chained to it holds the address with its token."""
    async with serving(says(b"HTTP/1.1 banana\r\n\r\n")) as (url, _), Transport("sandbox") as out:
        for address in (f"{url}/?access_token=CANARY", "http://[::1/?access_token=CANARY", f"{url}:CANARY"):
            with pytest.raises((ReplyLost, NotSent)) as caught:
                await out.request("GET", address)
            shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__) + repr(caught.value.__cause__)
            assert "CANARY" not in shown
            assert str(caught.value)


def test_tls_is_verified_by_default() -> None:
    """Nothing in the transport switches certificate checks off."""
    from pathlib import Path

    source = Path(module.__file__).read_text()
    assert "ssl=" not in source
    assert "verify" not in source
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED
