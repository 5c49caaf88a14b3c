"""The API's operations as one table: method, path, handler, bodies; routes and the OpenAPI document are both made from it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateway.desk.api import handlers, models
from gateway.desk.api.origins import allowed_origin, cors
from gateway.desk.api.problems import ApiRefused, api_problem, invalid_fields, respond
from gateway.desk.drafts.form import SaveForm
from gateway.desk.drafts.store import CommandReused, NoSuchDraft, NotEditable, StaleDraft, TooManyPictures
from gateway.desk.normalise import NormaliseRefused, PictureRefused
from gateway.desk.parts import LANG, WHO, Who
from gateway.desk.security import Access, Route
from gateway.desk.session import RECENT, look
from gateway.desk.socket_client import Problem, SessionEnded, Unavailable

_M = TypeVar("_M", bound=BaseModel)
Handle = Callable[[web.Request, Any], Awaitable[BaseModel]]
JSON_LIMIT: Final = 3 << 20
DEPTH_LIMIT: Final = 32
PREFIX: Final = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One line of the API. `body` is None for none, `picture` takes raw bytes instead of JSON."""

    id: str
    method: str
    path: str
    handle: Handle
    answer: type[BaseModel]
    zh: str
    body: type[BaseModel] | None = None
    picture: bool = False
    access: Access = "device"
    status: int = 200
    query: tuple[str, ...] = ()


OPERATIONS: Final = (
    Operation(id="pair", method="POST", path="/session", handle=handlers.pair, body=models.PairBody, answer=models.Session, zh="配对",
              access="pair", status=201),
    Operation(id="unpair", method="DELETE", path="/session", handle=handlers.unpair, answer=models.Ended, zh="停用这台设备"),
    Operation(id="me", method="GET", path="/me", handle=handlers.me, answer=models.Me, zh="我是谁"),
    Operation(id="channels", method="GET", path="/channels", handle=handlers.channels, answer=models.Channels, zh="可用渠道"),
    Operation(id="make_draft", method="POST", path="/drafts", handle=handlers.make_draft, body=models.NewDraftBody, answer=models.Draft,
              zh="新建稿件", status=201),
    Operation(id="save_draft", method="PUT", path="/drafts/{draft}", handle=handlers.save_draft, body=SaveForm, answer=models.Draft, zh="保存稿件"),
    Operation(id="add_picture", method="POST", path="/drafts/{draft}/pictures", handle=handlers.add_picture, picture=True,
              answer=models.Picture, zh="上传图片", status=201),
    Operation(id="preflight", method="POST", path="/preflight", handle=handlers.preflight, body=models.DraftBody, answer=models.Look, zh="提交前检查"),
    Operation(id="submit", method="POST", path="/submissions", handle=handlers.submit, body=models.SubmitBody, answer=models.Submitted,
              zh="提交审批", status=201),
    Operation(id="submissions", method="GET", path="/submissions", handle=handlers.submissions, answer=models.Submissions, zh="我的报审",
              query=("before",)),
    Operation(id="submission", method="GET", path="/submissions/{submission}", handle=handlers.submission, answer=models.Submission, zh="一件报审"),
    Operation(id="recall", method="POST", path="/submissions/{submission}/recall", handle=handlers.recall, body=models.CommandBody,
              answer=models.Acted, zh="撤回"),
    Operation(id="nudge", method="POST", path="/submissions/{submission}/nudge", handle=handlers.nudge, body=models.CommandBody,
              answer=models.Nudged, zh="催办"),
)


def routes_of(operations: Sequence[Operation]) -> tuple[Route, ...]:
    """Return the routes of the operations, and of the document that describes them."""
    from gateway.desk.api.openapi import document

    made = [Route(method=op.method, path=PREFIX + op.path, handler=_serve(op), access=op.access) for op in operations]
    described = json.dumps(document(operations), ensure_ascii=False)

    async def openapi(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=described, content_type="application/json")

    return (*made, Route(method="GET", path=f"{PREFIX}/openapi.json", handler=openapi, access="open"))


def _serve(operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and not await allowed_origin(request, origin, pairing=operation.access == "pair"):
            return api_problem(request, 403, "origin")
        response = await _answer(request, operation)
        cors(response, origin)
        return response

    return serve


async def _answer(request: web.Request, operation: Operation) -> web.Response:
    try:
        if operation.access == "device":
            request[WHO] = await _device(request)
        body = await _body(request, operation.body) if operation.body is not None else None
        made = await operation.handle(request, body)
    except ValidationError as error:
        return api_problem(request, 400, "invalid", fields=invalid_fields(error, request[LANG]))
    except ApiRefused as refused:
        return api_problem(request, refused.status, refused.code, **refused.more)
    except SessionEnded:
        if (who := request.get(WHO)) is not None:
            request.app[RECENT].drop(who.token)  # what was remembered of it a moment ago opens nothing any more
        return api_problem(request, 401)
    except Problem as problem:
        return respond(request, problem.body, problem.status)
    except Unavailable:
        return api_problem(request, 503, "unavailable")
    except (NormaliseRefused, PictureRefused) as error:
        return api_problem(request, 422, "bad_content", detail=error.en if request[LANG] == "en" else error.zh, reason=error.code)
    except NoSuchDraft:
        return api_problem(request, 404)
    except StaleDraft as stale:
        return api_problem(request, 409, "stale", version=stale.version, at=stale.at)
    except (NotEditable, TooManyPictures):
        return api_problem(request, 409, "not_editable")
    except CommandReused:
        return api_problem(request, 409, "command_reused")
    return web.Response(status=operation.status, text=made.model_dump_json(), content_type="application/json")


async def _device(request: web.Request) -> Who:
    """Return who holds the bearer token; cookies count for nothing here, so no page can borrow them."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    who = await look(request, token.strip()) if scheme.lower() == "bearer" else None
    if who is None or not who.device:
        raise ApiRefused(401, "session_gone")
    return who


async def _body(request: web.Request, model: type[_M]) -> _M:
    if request.content_type != "application/json":
        raise ApiRefused(415, "media_type")
    if (request.content_length or 0) > JSON_LIMIT:
        raise ApiRefused(413, "too_large")
    data = await request.content.read(JSON_LIMIT + 1)
    while len(data) <= JSON_LIMIT and (more := await request.content.read(JSON_LIMIT + 1 - len(data))):
        data += more
    if len(data) > JSON_LIMIT:
        raise ApiRefused(413, "too_large")
    if _too_deep(data):
        raise ApiRefused(400, "invalid", fields=[])
    return model.model_validate_json(data)


_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')


def _too_deep(data: bytes) -> bool:
    """Return whether brackets nest deeper than any body of ours does, before a parser sees it."""
    depth = deepest = 0
    for byte in _STRINGS.sub(b"", data):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest > DEPTH_LIMIT


async def preflight_cors(request: web.Request) -> web.StreamResponse:
    """Answer a CORS preflight for origins of paired extensions (and any extension's pairing); everyone else gets nothing."""
    origin = request.headers.get("Origin", "")
    response = web.Response(status=204)
    if await allowed_origin(request, origin, pairing=request.path == f"{PREFIX}/session"):
        cors(response, origin)
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, DELETE"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Accept-Language"
        response.headers["Access-Control-Max-Age"] = "600"
    return response


