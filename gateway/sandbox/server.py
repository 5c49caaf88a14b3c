"""The HTTP server of one platform: reads a request, meets its fault, lets the platform answer, sends the reply.

The spoiled replies are written to the connection by hand because a well-behaved server library would not send
them: resets, bodies shorter than announced, answers written twice.
"""

from __future__ import annotations

import socket
import struct

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.sandbox.faults import Fault
from gateway.sandbox.platform import Platform, pause
from gateway.sandbox.wire import Call, Reply, decoded

MAX_BODY = 40 * 1024 * 1024
SLOW_PIECES = 10
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}


def build_app(platform: Platform) -> web.Application:
    """Build the aiohttp application that serves a platform's API and public pages on one port."""

    async def serve(request: web.Request) -> web.StreamResponse:
        page = await platform.page(request)
        if page is not None:
            return page
        return await _api(platform, request)

    app = web.Application(client_max_size=MAX_BODY)
    handler: Handler = serve
    app.router.add_route("*", "/{path:.*}", handler)
    return app


async def _api(platform: Platform, request: web.Request) -> web.StreamResponse:
    call = await _call_of(platform, request)
    fault = platform.faults.take(call.endpoint, decoded(call))
    if fault is not None and fault.kind == "delay":
        await pause(fault.seconds)
        call.now = platform.unix
    if fault is not None and fault.kind == "fail_before":
        platform.record_lost(call, fault)
        return _broken(request, fault.how)
    reply = platform.perform(call, fault)
    if fault is None or fault.kind not in {"fail_after", "slow_body", "answer_twice"}:
        return _response(reply)
    if fault.kind == "slow_body":
        return await _slowly(request, reply, fault.seconds)
    if fault.kind == "answer_twice":
        return _raw(request, _http_bytes(reply) * 2)
    return _spoiled(platform, request, call, reply, fault)


async def _call_of(platform: Platform, request: web.Request) -> Call:
    return Call(
        method=request.method,
        path=request.path,
        endpoint=platform.endpoint_of(request.path),
        query=dict(request.query),
        headers=request.headers,
        body=await request.read(),
        remote=request.remote or "",
        now=platform.unix,
    )


def _spoiled(platform: Platform, request: web.Request, call: Call, reply: Reply, fault: Fault) -> web.StreamResponse:
    if fault.how == "code":
        return _response(platform.refusal(call, fault.code))
    if fault.how == "malformed":
        return _response(Reply(body=reply.body[: max(1, len(reply.body) // 2)], status=reply.status, headers=reply.headers))
    if fault.how == "truncated":
        return _raw(request, _http_bytes(reply)[: -max(1, len(reply.body) // 2)])
    return _broken(request, fault.how)


def _broken(request: web.Request, how: str) -> web.StreamResponse:
    """Drop or reset the connection, or answer a gateway error page as a load balancer would."""
    if how in {"500", "502", "503"}:
        page = f"<html><head><title>{how}</title></head><body><center><h1>{how}</h1></center></body></html>"
        return web.Response(status=int(how), text=page, content_type="text/html")
    transport = request.transport
    if transport is not None:
        if how == "reset":
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)


def _raw(request: web.Request, data: bytes) -> web.StreamResponse:
    """Write bytes to the connection and close it; the returned response can no longer be sent."""
    transport = request.transport
    if transport is not None:
        transport.write(data)
        transport.close()
    return web.Response(status=500)


async def _slowly(request: web.Request, reply: Reply, seconds: float) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers={**reply.headers, "Content-Length": str(len(reply.body))})
    await response.prepare(request)
    step = max(1, -(-len(reply.body) // SLOW_PIECES))
    for start in range(0, len(reply.body), step):
        await pause(seconds / SLOW_PIECES)
        await response.write(reply.body[start : start + step])
    await response.write_eof()
    return response


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=dict(reply.headers))


def _http_bytes(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines.append(f"Content-Length: {len(reply.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + reply.body
