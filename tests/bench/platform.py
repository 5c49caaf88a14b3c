"""Two small servers that run in processes of their own: the platform that takes publications, and a bare reverse proxy to it.

`python -m tests.bench.platform` prints its port and serves until its standard input ends; `--proxy URL` makes it the proxy. Both sides
of the publish rows call the same platform process.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys

import aiohttp
from aiohttp import web


def platform() -> web.Application:
    """Return the platform: `POST /publish` counts and answers an id, `GET /count` tells how many there were."""
    count = itertools.count(1)
    seen = {"publish": 0}

    async def publish(request: web.Request) -> web.Response:
        await request.read()
        seen["publish"] = next(count)
        return web.Response(text=f'{{"id":"{seen["publish"]}"}}', content_type="application/json")

    async def counted(_request: web.Request) -> web.Response:
        return web.json_response(seen)

    app = web.Application()
    app.add_routes([web.post("/publish", publish), web.get("/count", counted)])
    return app


def proxy(target: str) -> web.Application:
    """Return a reverse proxy that passes method, path, headers and body on and checks nothing; its client pool is as large as the gate's."""

    async def session(app: web.Application):
        connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=30)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as client:
            app[CLIENT] = client
            yield

    async def forward(request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in {"host", "content-length", "connection"}}
        body = await request.read()
        async with request.app[CLIENT].request(request.method, target + request.path_qs, headers=headers, data=body) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

    app = web.Application()
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


CLIENT = web.AppKey("client", aiohttp.ClientSession)


async def serve(app: web.Application) -> None:
    """Serve on a free loopback port, print it, and stop at the end of standard input."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=256)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--proxy")
    options = parser.parse_args()
    asyncio.run(serve(proxy(options.proxy) if options.proxy else platform()))


if __name__ == "__main__":
    main()
