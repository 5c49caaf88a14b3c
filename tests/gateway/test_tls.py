"""TLS by flag: all faces that people reach end it themselves, and nothing older than TLS 1.2 is spoken."""

from __future__ import annotations

import ssl
import subprocess
import warnings
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway import commands
from gateway.config import Listen
from gateway.listening import serve_tcp
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


@pytest.mark.parametrize("flag", ["--tls-cert", "--tls-key"])
def test_one_flag_alone_is_refused(flag: str) -> None:
    """A certificate without its key is a usage error that says so, and a key without its certificate."""
    from click.testing import CliRunner

    from gateway.cli import main

    done = CliRunner().invoke(main, ["serve", flag, __file__])
    assert done.exit_code == 2
    assert "belong together" in done.output
