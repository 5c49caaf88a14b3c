"""TLS by flag: all faces that people reach end it themselves, and nothing older than TLS 1.2 is spoken."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import subprocess
import warnings
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway import commands
from gateway.config import Listen
from gateway.connections import Connections
from gateway.listening import ListenRefused, port_refused, serve_tcp
from tests.gateway.enforcer.house import settings_for


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for desk.localhost and its key."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=desk.localhost", "-addext",
         "subjectAltName=DNS:desk.localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )
    return certificate, key


def test_the_flags_reach_every_face(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """Desk and both listeners of the counter get the certificate; ports and hosts stay."""
    before = settings_for(tmp_path)
    after = commands.with_tls(before, *pair)
    for name in ("desk", "counter", "counter_inside"):
        listen = getattr(after, name)
        assert (listen.certificate, listen.key) == pair
        assert listen.port == getattr(before, name).port


async def hello(_request: web.Request) -> web.Response:
    """Answer."""
    return web.Response(text="hello")


async def test_a_face_speaks_tls_and_nothing_old(pair: tuple[Path, Path]) -> None:
    """A client that trusts the certificate is answered; one that offers at most TLS 1.1 is not."""
    app = web.Application()
    app.router.add_get("/", hello)
    async with AsyncExitStack() as stack:
        port = await serve_tcp(stack, app, Listen(port=0, certificate=pair[0], key=pair[1]))
        trusting = ssl.create_default_context(cafile=str(pair[0]))
        async with aiohttp.ClientSession() as session:
            async with session.get(f"https://127.0.0.1:{port}/", ssl=trusting) as response:
                assert await response.text() == "hello"
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.load_verify_locations(pair[0])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # setting an old version is what this test is about
                old.minimum_version = ssl.TLSVersion.TLSv1
                old.maximum_version = ssl.TLSVersion.TLSv1_1
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(f"https://127.0.0.1:{port}/", ssl=old)


async def test_connections_that_never_speak_tls_keep_nobody_out(pair: tuple[Path, Path]) -> None:
    """Handshakes under way count like any connection: the oldest makes room, and no more are held than a face may have."""
    app = web.Application()
    app.router.add_get("/", hello)
    async with AsyncExitStack() as stack:
        port = await serve_tcp(stack, app, Listen(port=0, certificate=pair[0], key=pair[1]), connections=Connections(most=8))
        trusting = ssl.create_default_context(cafile=str(pair[0]))
        silent: list[socket.socket] = []
        stack.callback(lambda: [found.close() for found in silent])
        for _ in range(5):
            for _ in range(8):
                silent.append(socket.create_connection(("127.0.0.1", port)))
                await asyncio.sleep(0.02)  # what is accepted in one turn of the loop is counted after it
            async with aiohttp.ClientSession() as session, session.get(f"https://127.0.0.1:{port}/", ssl=trusting) as response:
                assert await response.text() == "hello"
        cut = 0
        for found in silent:
            found.setblocking(False)
            try:
                cut += found.recv(1) == b""
            except ConnectionResetError:
                cut += 1
            except BlockingIOError:
                continue
        assert cut >= 40 - 8


async def test_what_comes_with_the_end_of_a_handshake_is_answered(pair: tuple[Path, Path]) -> None:
    """A request in the same packet as the client's last word of the handshake is not lost; plain HTTP and a closed connection harm nothing."""
    app = web.Application()
    app.router.add_get("/", hello)
    async with AsyncExitStack() as stack:
        port = await serve_tcp(stack, app, Listen(port=0, certificate=pair[0], key=pair[1]))
        for said in (b"GET / HTTP/1.1\r\n\r\n", b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 10)
            writer.close()
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl.create_default_context(cafile=str(pair[0])).wrap_bio(inward, outward, server_hostname="127.0.0.1")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outward.read())
                inward.write(await asyncio.wait_for(reader.read(65_536), 10))
        client.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        writer.write(outward.read())  # the end of the handshake and the request, in one piece
        said = b""
        while not said.endswith(b"hello"):
            inward.write(await asyncio.wait_for(reader.read(65_536), 10))
            with suppress(ssl.SSLWantReadError):
                said += client.read()
        assert said.startswith(b"HTTP/1.1 200")


async def refused(listen: Listen) -> ListenRefused:
    """Return why a face cannot be opened so."""
    async with AsyncExitStack() as stack:
        with pytest.raises(ListenRefused) as caught:
            await serve_tcp(stack, web.Application(), listen)
    return caught.value


async def test_a_pair_that_does_not_belong_together_is_named(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Another's key, no PEM at all, no file: which file it is and what to do, in both languages; nothing listens."""
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "genrsa", "-out", str(other), "2048"], check=True, capture_output=True)
    mixed = await refused(Listen(port=0, certificate=pair[0], key=other))
    assert all(str(other) in text and str(pair[0]) in text for text in (mixed.zh, mixed.en))
    other.write_text("no key")
    assert "PEM" in (await refused(Listen(port=0, certificate=pair[0], key=other))).en
    other.unlink()
    gone = await refused(Listen(port=0, certificate=pair[0], key=other))
    assert f"there is no file {other}" in gone.en
    assert str(other) in gone.zh
    assert "cannot read" in (await refused(Listen(port=0, certificate=tmp_path, key=pair[1]))).en


async def test_a_taken_port_and_a_host_of_another_machine_are_named() -> None:
    """Whose port it is can be seen by the command in the message."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        why = await refused(Listen(port=port))
    assert f"127.0.0.1:{port} is taken" in why.en
    assert f"ss -ltnp 'sport = :{port}'" in why.zh
    assert "192.0.2.1" in (await refused(Listen(host="192.0.2.1", port=0))).en


def test_a_port_that_is_not_this_users_says_so() -> None:
    """An ordinary user below 1024, where the system keeps these for root."""
    assert "reverse proxy" in port_refused(Listen(port=80), PermissionError(errno.EACCES, "Permission denied")).en


@pytest.mark.parametrize("flag", ["--tls-cert", "--tls-key"])
def test_one_flag_alone_is_refused(flag: str) -> None:
    """A certificate without its key is a usage error that says so, and a key without its certificate."""
    from click.testing import CliRunner

    from gateway.cli import main

    done = CliRunner().invoke(main, ["serve", flag, __file__])
    assert done.exit_code == 2
    assert "belong together" in done.output
