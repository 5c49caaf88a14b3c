"""The command socket over the wire: who may speak, what may be said, and that nothing said there brings it down."""

from __future__ import annotations

import asyncio
import http.client
import io
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway import canonical
from gateway.enforcer.codes import code_digest
from gateway.enforcer.sessions import Sessions
from gateway.enforcer.socket import BLOB_LIMIT, SESSION_HEADER, init_socket
from gateway.listening import serve_unix
from gateway.protocol import instants
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House, article

OPEN = {"/v1/session/redeem", "/v1/session/pair", "/v1/session/end", "/v1/blob/{digest}", "/v1/feed", "/v1/values", "/v1/state/directory",
        "/v1/status", "/v1/verify/{job}"}
"""What needs no session: codes are redeemed there, and what the desk's read model is made of."""


@dataclass
class Wire:
    """The socket of a house, a client of it, and sessions of its people."""

    house: House
    path: Path
    app: web.Application
    sessions: Sessions
    client: aiohttp.ClientSession

    def routes(self) -> list[tuple[str, str]]:
        """Return every method and path, with the placeholders filled."""
        found = [(route.method, str(route.resource.canonical)) for route in self.app.router.routes() if route.resource is not None]
        return [(method, path) for method, path in found if method != "HEAD"]

    def token(self, person: str, kind: Any = "desk") -> str:
        """Open a session and return its token."""
        who = self.house.people[person]
        return self.sessions.open(who, kind, factor=f"pw-{who}")[0]

    async def ask(self, method: str, path: str, *, token: str = "", **more: Any) -> tuple[int, dict[str, Any]]:
        """Ask and return status and JSON answer."""
        headers = {SESSION_HEADER: token} if token else {}
        path = path.replace("{digest}", canonical.sha256(b"none")).replace("{job}", "none")
        async with self.client.request(method, path, headers=headers, **more) as answer:
            return answer.status, await answer.json(content_type=None)


@pytest.fixture
async def wire(hand: House) -> AsyncIterator[Wire]:
    """Serve the command socket of a house to this user."""
    async with AsyncExitStack() as stack:
        sessions = Sessions(hand.folder / "ephemeral.db", hand.runner)
        stack.callback(sessions.close)
        path, app = hand.folder / "run" / "socket", init_socket(hand.parts, sessions, peer_uids=frozenset({os.getuid()}))
        await serve_unix(stack, app, path, mode=0o660)
        client = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path), limit=0), base_url="http://enforcer"))
        yield Wire(hand, path, app, sessions, client)


async def test_no_other_user_gets_an_answer_whatever_is_asked(wire: Wire) -> None:
    """A peer of another uid, by the kernel's word: 403 on every route, before session or body are looked at; a TCP peer has no uid."""
    token = wire.token("lu")
    async with AsyncExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qianfa-socket-", dir="/var/tmp"))) / "command"
        path.parent.chmod(0o755)
        allowed = frozenset({54_321}) if os.getuid() else frozenset({0})
        await serve_unix(stack, init_socket(wire.house.parts, wire.sessions, peer_uids=allowed), path, mode=0o666)
        for method, route in wire.routes():
            status, said = await asyncio.to_thread(_as_somebody, path, method, route, token)
            assert (status, said) == (403, b'{"code": "peer"}'), route
    server = TestServer(init_socket(wire.house.parts, wire.sessions, peer_uids=frozenset({os.getuid(), -1 & 0xFFFFFFFF})))
    async with TestClient(server) as stranger:
        assert (await stranger.get("/v1/status")).status == 403


def _as_somebody(path: Path, method: str, route: str, token: str) -> tuple[int, bytes]:
    client = socket.socket(socket.AF_UNIX)
    if os.getuid() == 0:
        os.seteuid(65_534)
    try:
        client.connect(str(path))
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
    connection = http.client.HTTPConnection("enforcer", timeout=30)
    connection.sock = client
    try:
        connection.request(method, route.replace("{", "").replace("}", ""), b"{}", {SESSION_HEADER: token})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


async def test_what_acts_needs_a_session_of_the_desk(wire: Wire) -> None:
    """None, one that never was, one that ended, and one of the counter: 401 on every route but those that need none."""
    over = wire.token("lu")
    wire.sessions.end(over)
    listed = [(method, route) for method, route in wire.routes() if route not in OPEN or (route, method) == ("/v1/blob/{digest}", "PUT")]
    assert len(listed) >= 9
    for method, route in listed:
        for token in ("", "x" * 43, over, wire.token("fang", "counter"), "\u00e9" * 30):
            status, said = await wire.ask(method, route, token=token, data=b"{}")
            assert (status, said["code"]) == (401, "session_gone"), (method, route, token)


async def test_a_pack_goes_to_who_may_read_it(wire: Wire) -> None:
    """The session's person decides and not the desk: a stranger is told whom to ask, the author gets the zip."""
    house = wire.house
    submission = await house.submit(article(cover=house.cover()), "news")
    house.people["guest"] = "per_guest000000"
    await house.change(
        Change(type=EntryType.UNIT_ADDED, object="unit_other", data={"name": "别的公司", "parent": house.state.group, "kind": "subsidiary"}),
        Change(type=EntryType.PERSON_ADDED, object="per_guest000000", data={"name": house.parts.values.commit("客"), "unit": "unit_other", "details": {}}),
        Change(type=EntryType.ENROLMENT_OPENED, object="per_guest000000", data={
            "code": code_digest("CODE"), "until": instants.plus(house.runner.now(), 3600)}))
    await house.enrol("guest", "CODE")
    status, said = await wire.ask("POST", "/v1/export", token=wire.token("guest"), json={"id": submission})
    assert (status, said["code"]) == (403, "not_reader")
    async with wire.client.post("/v1/export", json={"id": submission}, headers={SESSION_HEADER: wire.token("lu")}) as answer:
        assert (answer.status, (await answer.read())[:4]) == (200, b"PK\x03\x04")


async def test_a_body_that_is_too_large_is_refused_and_kept_nowhere(wire: Wire) -> None:
    """One byte over the limit, announced or in pieces: 413 as a problem, no blob of it, and the next request is served."""
    token, large = wire.token("lu"), b"x" * (BLOB_LIMIT + 1)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(large), 1 << 20):
            yield large[at:at + (1 << 20)]

    for method, path, body in (("PUT", "/v1/blob", io.BytesIO(large)), ("PUT", "/v1/blob", pieces()), ("POST", "/v1/submit", io.BytesIO(large))):
        status, said = await wire.ask(method, path, token=token, data=body)
        assert (status, said["status"], said["code"]) == (413, 413, "invalid")
    assert not wire.house.runner.blobs.has(canonical.sha256(large))
    exact = large[:BLOB_LIMIT]
    assert await wire.ask("PUT", "/v1/blob", token=token, data=io.BytesIO(exact)) == (200, {"digest": canonical.sha256(exact)})


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"submission": 1, "command": "cmd-00000001"}', b'{"submission": "sub_x"}', b"[" * 20_000,
    b'{"submission": "sub_x", "command": "cmd-00000001", "person": "per_other"}', b'{"submission": "\\ud800", "command": "cmd-00000001"}',
])
async def test_a_body_that_is_not_the_request_is_a_problem(wire: Wire, body: bytes) -> None:
    """No JSON, another shape, a field too few or too many (a person, say): 400 `invalid` in words, nothing logged."""
    size, token = wire.house.state.size, wire.token("lu")
    for path in ("/v1/recall", "/v1/submit", "/v1/preflight", "/v1/export", "/v1/session/redeem"):
        status, said = await wire.ask("POST", path, token=token, data=body)
        assert (status, said["code"], said["status"]) == (400, "invalid", 400), path
        assert said["title"]
    assert wire.house.state.size == size


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/", 404), ("GET", "/v1", 404), ("GET", "/v1/status/", 404), ("GET", "/v2/status", 404), ("POST", "/v1/status", 405), ("DELETE", "/v1/blob", 405),
    ("GET", "/v1/../v1/nothing", 404), ("GET", "/v1/blob/sha256:zz", 400), ("GET", "/v1/blob/{digest}", 404), ("GET", "/v1/verify/{job}", 404),
])
async def test_what_is_not_there_is_a_problem_in_the_readers_language(wire: Wire, method: str, path: str, status: int) -> None:
    """Unknown paths, methods, blobs and jobs: a problem with its status, Chinese by default, English where asked for."""
    found, chinese = await wire.ask(method, path)
    path = path.replace("{digest}", canonical.sha256(b"none")).replace("{job}", "none")
    async with wire.client.request(method, path, headers={"Accept-Language": "en-GB"}) as answer:
        english = await answer.json(content_type="application/problem+json")
    assert (found, answer.status) == (status if status != 400 else 404, status if status != 400 else 404)
    assert chinese["code"] == english["code"] == "not_found"
    assert not chinese["title"].isascii()
    assert english["title"].isascii()


@pytest.mark.parametrize("query", [{"after": "-1"}, {"after": "x"}, {"after": "１"}, {"limit": "1" * 12}, {"wait": "1.5"}, {"after": " 1"}])
async def test_numbers_in_a_query_are_plain_digits(wire: Wire, query: dict[str, str]) -> None:
    """Signs, spaces, full-width and endless digits are refused."""
    async with wire.client.get("/v1/feed", params=query) as answer:
        assert answer.status == 400
        assert (await answer.json())["code"] == "invalid"


async def test_a_peer_that_goes_away_in_the_middle_leaves_nothing_behind(wire: Wire) -> None:
    """Half a head, half a body, a feed that nobody waits for any more: nothing is kept, no listener stays, the next one is served."""
    token, before = wire.token("lu"), len(wire.house.runner.listeners)
    body = b"half of this never arrives" * 100
    head = f"PUT /v1/blob HTTP/1.1\r\nHost: enforcer\r\n{SESSION_HEADER}: {token}\r\nContent-Length: {2 * len(body)}\r\n\r\n".encode()
    feed = f"GET /v1/feed?after={wire.house.state.size}&wait=20 HTTP/1.1\r\nHost: enforcer\r\n\r\n".encode()
    for said in (head[:30], head, head + body, b"\x00\x01\x02", b"GET / HTTP/9.9\r\n\r\n"):
        _, writer = await asyncio.open_unix_connection(str(wire.path))
        writer.write(said)
        await writer.drain()
        writer.transport.abort()
    _, writer = await asyncio.open_unix_connection(str(wire.path))
    writer.write(feed)
    async with asyncio.timeout(20):
        while len(wire.house.runner.listeners) == before:
            await asyncio.sleep(0.005)
        writer.transport.abort()
        await wire.house.runner.system(_counted())
        while len(wire.house.runner.listeners) > before:
            await asyncio.sleep(0.005)
    assert not wire.house.runner.blobs.has(canonical.sha256(body))
    assert (await wire.ask("GET", "/v1/status"))[0] == 200


def _counted() -> Any:
    from gateway.protocol.commands import TakeCounters

    return TakeCounters(counts={"x": 1})


async def test_two_hundred_at_once_are_all_answered(wire: Wire) -> None:
    """Readers, uploads of one blob, and repeats of one command id together: every one answered, the blob is one, the command is done once."""
    token = wire.token("lu")
    submission = await wire.house.submit(_article(wire.house), "news")
    recall = {"submission": submission, "command": "cmd-recall-0001"}
    asked: list[tuple[str, str, dict[str, Any]]] = [("GET", "/v1/status", {}), ("PUT", "/v1/blob", {"data": b"the same"}), ("GET", "/v1/feed?after=0&limit=5", {}),
             ("POST", "/v1/recall", {"json": recall})] * 50
    answers = await asyncio.gather(*(wire.ask(method, path, token=token, **more) for method, path, more in asked))
    assert {status for status, _ in answers} == {200}
    assert {said["digest"] for _, said in answers[1::4]} == {canonical.sha256(b"the same")}
    assert len({said["seq"] for _, said in answers[3::4]}) == 1
    assert sum(b'"submission.recalled"' in body for body in wire.house.bodies()) == 1


def _article(house: House) -> Any:
    from tests.gateway.enforcer.house import article

    return article(cover=house.cover())
