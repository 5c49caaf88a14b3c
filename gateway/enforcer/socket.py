"""The command socket: the desk's only way to the enforcer. HTTP over a unix socket whose peer is checked by user id.

Every call that acts carries a session token; the person comes from the session, never from the request. Words: `Accept-Language`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar

import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateway import calendar, canonical
from gateway.canonical import NotCanonical
from gateway.connectors.base import Template
from gateway.enforcer import evidence
from gateway.enforcer.blobs import BlobAltered, BlobMissing
from gateway.enforcer.counter import rendition
from gateway.enforcer.feed import read_bodies
from gateway.enforcer.parts import Parts
from gateway.enforcer.runner import Runner
from gateway.enforcer.sessions import Session, Sessions
from gateway.enforcer.status import status
from gateway.enforcer.verification import Verifications
from gateway.enforcer.words import explain
from gateway.log.errors import LogUnavailable
from gateway.protocol import requests
from gateway.protocol.commands import Cancel, Grade, Recall, Renew, Request
from gateway.protocol.denials import Denied
from gateway.protocol.entries import CommandRef

log = structlog.get_logger("socket")

BLOB_LIMIT: Final = 12 << 20
SESSION_HEADER: Final = "X-Qianfa-Session"
FEED_LIMIT: Final = 1000
FEED_WAIT: Final = 25.0
DESK_PICTURES: Final = "/pictures/"

PARTS: Final = web.AppKey("parts", Parts)
SESSIONS: Final = web.AppKey("sessions", Sessions)
VERIFICATIONS: Final = web.AppKey("verifications", Verifications)
CLOSING: Final = web.AppKey("closing", asyncio.Event)
_M = TypeVar("_M", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def init_socket(parts: Parts, sessions: Sessions, *, peer_uids: frozenset[int]) -> web.Application:
    """Return the application behind the command socket; only peers running as one of `peer_uids` are answered."""
    app = web.Application(client_max_size=BLOB_LIMIT, middlewares=[_peer_check(peer_uids), _problems])
    app[PARTS], app[SESSIONS] = parts, sessions
    app[VERIFICATIONS] = Verifications(parts)
    app[CLOSING] = asyncio.Event()
    app.on_shutdown.append(_close)
    app.add_routes([
        web.post("/v1/session/redeem", _redeem), web.post("/v1/session/pair", _pair), web.post("/v1/session/end", _end),
        web.get("/v1/session", _session), web.post("/v1/preflight", _preflight), web.post("/v1/preview", _preview), web.put("/v1/blob", _put_blob),
        web.get("/v1/blob/{digest}", _get_blob), web.post("/v1/submit", _submit), web.post("/v1/recall", _recall),
        web.post("/v1/cancel", _cancel), web.post("/v1/renew", _renew), web.get("/v1/feed", _feed), web.get("/v1/values", _values),
        web.get("/v1/state/directory", _directory), web.get("/v1/status", _status), web.post("/v1/verify", _verify),
        web.get("/v1/verify/{job}", _verified), web.post("/v1/export", _export),
    ])
    return app


def _peer_check(allowed: frozenset[int]) -> Any:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        peer: socket.socket | None = transport.get_extra_info("socket") if transport is not None else None
        if peer is None or peer_uid(peer) not in allowed:
            log.warning("peer refused", action="peer_refused")
            return web.json_response({"code": "peer"}, status=HTTPStatus.FORBIDDEN)
        return await handler(request)

    return check


def peer_uid(peer: socket.socket) -> int:
    """Return the user id of the process at the other end of a unix socket (SO_PEERCRED, unix(7)); -1 for any other socket."""
    if peer.family != socket.AF_UNIX:
        return -1
    _pid, uid, _gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)


def language(request: web.Request) -> str:
    """Return `en` where the caller prefers it, else `zh`."""
    return "en" if request.headers.get("Accept-Language", "").lower().startswith("en") else "zh"


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Denied as denied:
        problem = explain(denied, request.app[PARTS].views, language(request)).problem()
    except LogUnavailable:
        problem = explain(Denied("log_unavailable"), request.app[PARTS].views, language(request)).problem()
    except (ValidationError, NotCanonical) as error:
        detail = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors()) if isinstance(error, ValidationError) else ""
        problem = explain(Denied("invalid", detail=detail), request.app[PARTS].views, language(request)).problem()
    except SessionGone:
        raise
    except web.HTTPClientError as error:
        code = "not_found" if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED} else "invalid"
        problem = explain(Denied(code, detail=error.reason), request.app[PARTS].views, language(request)).problem() | {"status": error.status}
    return web.json_response(problem, status=problem["status"], content_type="application/problem+json", dumps=_dumps)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _json(value: Any, status_: int = HTTPStatus.OK) -> web.Response:
    return web.json_response(value, status=status_, dumps=_dumps)


async def _body(request: web.Request, model: type[_M]) -> _M:
    return model.model_validate_json(await request.read())


def _need_session(request: web.Request) -> Session:
    token = request.headers.get(SESSION_HEADER, "")
    session = request.app[SESSIONS].look(token, {"desk", "device"}) if token else None
    if session is None:
        raise SessionGone
    return session


class SessionGone(web.HTTPUnauthorized):
    """There is no such session, or it has ended; sign in at the counter again."""

    def __init__(self) -> None:
        super().__init__(text=_dumps({"code": "session_gone", "status": 401}), content_type="application/problem+json")


def _person(parts: Parts, session: Session) -> dict[str, Any]:
    views, person = parts.views, parts.runner.state.people[session.person]
    held = parts.runner.state.offices_of(person.id, parts.runner.now())
    return {
        "person": person.id, "name": views.name(person.id), "title": views.detail(person.id, "title"), "unit": person.unit,
        "unit_name": views.unit(person.unit), "kind": session.kind, "expires": session.expires,
        "offices": [{"office": o.office, "scope": o.scope, "zh": views.office_words(o.office, "zh"), "en": views.office_words(o.office, "en")}
                    for o in held],
    }


async def _redeem(request: web.Request) -> web.Response:
    body = await _body(request, requests.RedeemRequest)
    opened = request.app[SESSIONS].redeem(body.code, body.verifier)
    if opened is None:
        raise SessionGone
    token, session = opened
    return _json({"session": token, **_person(request.app[PARTS], session)})


async def _pair(request: web.Request) -> web.Response:
    body = await _body(request, requests.PairRequest)
    opened = request.app[SESSIONS].pair(body.code, body.device_name)
    if opened is None:
        raise SessionGone
    token, session = opened
    return _json({"session": token, **_person(request.app[PARTS], session)})


async def _end(request: web.Request) -> web.Response:
    request.app[SESSIONS].end(request.headers.get(SESSION_HEADER, ""))
    return _json({})


async def _session(request: web.Request) -> web.Response:
    return _json(_person(request.app[PARTS], _need_session(request)))


async def _preflight(request: web.Request) -> web.Response:
    session = _need_session(request)
    body = await _body(request, requests.PreflightRequest)
    return _json(await request.app[PARTS].submitting.preflight(session.person, body, language(request)))


async def _preview(request: web.Request) -> web.Response:
    """Return what the counter would show of each target, by the same function, with pictures at the desk's address of the author's drafts."""
    _need_session(request)
    body = await _body(request, requests.PreflightRequest)
    parts = request.app[PARTS]
    worked = await parts.submitting.preview(body)
    return _json({"previews": [
        {"channel": target.channel, "template": target.template,
         "html": rendition.document(Template.parse(data), parts.runner.state.channels[target.channel].name, DESK_PICTURES)}
        for target, data in zip(worked.targets, worked.templates, strict=True)
    ]})


async def _submit(request: web.Request) -> web.Response:
    session = _need_session(request)
    body = await _body(request, requests.SubmitRequest)
    parts = request.app[PARTS]
    done = await parts.submitting.submit(session.person, body)
    submission = parts.runner.state.submissions.get(done.object)
    finished = parts.runner.state.finished.get(done.object)
    number = submission.number if submission else (finished[0] if finished else "")
    return _json({"seq": done.seq, "submission": done.object, "number": number})


async def _act(request: web.Request, kind: type[Recall | Cancel]) -> web.Response:
    session = _need_session(request)
    body = await _body(request, requests.SubmissionRequest)
    command = kind(submission=body.submission)
    return await _run(request, session, command, body)


async def _run(request: web.Request, session: Session, command: Any, body: requests.SubmissionRequest) -> web.Response:
    ref = CommandRef(body.command, canonical.digest({"type": type(command).__name__, **body.model_dump(mode="json")}))
    done = await request.app[PARTS].runner.submit(
        Request(command=command, actor=session.person, grade=Grade.DESK, ref=ref), source="desk", about=body.submission,
    )
    return _json({"seq": done.seq, "submission": done.object})


async def _recall(request: web.Request) -> web.Response:
    return await _act(request, Recall)


async def _cancel(request: web.Request) -> web.Response:
    return await _act(request, Cancel)


async def _renew(request: web.Request) -> web.Response:
    session = _need_session(request)
    body = await _body(request, requests.SubmissionRequest)
    window = calendar.window_end(request.app[PARTS].runner.now())
    return await _run(request, session, Renew(submission=body.submission, window_to=window), body)


async def _put_blob(request: web.Request) -> web.Response:
    _need_session(request)
    request.app[PARTS].runner.reserve.ordinary()
    data = await request.read()
    digest = await asyncio.to_thread(request.app[PARTS].runner.blobs.put, data)
    return _json({"digest": digest})


async def _get_blob(request: web.Request) -> web.Response:
    try:
        data = request.app[PARTS].runner.blobs.get(canonical.parse_digest(request.match_info["digest"]))
    except (BlobMissing, NotCanonical) as error:
        raise Denied("not_found", detail="blob") from error
    except BlobAltered as error:
        raise Denied("scope_mismatch", detail="blob altered") from error
    return web.Response(body=data, content_type="application/octet-stream")


async def _feed(request: web.Request) -> web.StreamResponse:
    parts = request.app[PARTS]
    after, limit, wait = (_number(request, name, default) for name, default in (("after", 0), ("limit", 500), ("wait", 0)))
    state = parts.runner.state
    if state.size <= after and wait:
        await _change(request.app, after, min(wait, FEED_WAIT))
    stop = min(state.size, after + min(limit, FEED_LIMIT))
    bodies = await asyncio.to_thread(read_bodies, parts, after, stop) if after < stop else []
    head = {"size": state.size, "sealed": parts.runner.sealed, "epoch": state.epoch}
    text = json.dumps(head)[:-1].encode() + b', "entries": [' + b",".join(bodies) + b"]}"
    return web.Response(body=text, content_type="application/json")


async def _grown(runner: Runner, after: int) -> None:
    """Wait for more than `after` durable entries; it looks by itself, since one may have come before it ran for the first time."""
    while runner.state.size <= after:
        await runner.wait_change()


async def _change(app: web.Application, after: int, seconds: float) -> None:
    """Wait for more than `after` durable entries, at most `seconds`, and no longer than this socket is served: a stop does not wait for readers."""
    change = asyncio.ensure_future(_grown(app[PARTS].runner, after))
    closing = asyncio.ensure_future(app[CLOSING].wait())
    try:
        await asyncio.wait({change, closing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if change.done():
            change.result()
    finally:
        change.cancel()
        closing.cancel()


async def _close(app: web.Application) -> None:
    app[CLOSING].set()


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise Denied("invalid", detail=name)
    return int(text)


async def _values(request: web.Request) -> web.Response:
    values = request.app[PARTS].values
    return _json({commitment: values.text(commitment) for commitment in request.query.getall("c", [])[:1000]})


async def _directory(request: web.Request) -> web.Response:
    return _json(request.app[PARTS].views.directory())


async def _status(request: web.Request) -> web.Response:
    return _json(status(request.app[PARTS]))


async def _verify(request: web.Request) -> web.Response:
    _need_session(request)
    return _json({"job": request.app[VERIFICATIONS].begin()})


async def _verified(request: web.Request) -> web.Response:
    job = request.app[VERIFICATIONS].look(request.match_info["job"])
    if job is None:
        raise Denied("not_found", detail="job")
    return _json(job.value())


async def _export(request: web.Request) -> web.StreamResponse:
    session = _need_session(request)
    body = await _body(request, requests.ExportRequest)
    parts = request.app[PARTS]
    allowed = evidence.reader(parts.runner.state, session.person, parts.runner.now())
    pack = await asyncio.to_thread(evidence.export, parts, body.id, allowed)
    response = web.StreamResponse(headers={
        "Content-Type": "application/zip", "Content-Disposition": f'attachment; filename="qianfa-{body.id}-{secrets.token_hex(2)}.zip"',
    })
    await response.prepare(request)
    with pack:
        while chunk := pack.read(1 << 18):
            await response.write(chunk)
    await response.write_eof()
    return response


