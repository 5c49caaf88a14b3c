"""Listening: TCP with optional TLS and unix sockets for aiohttp applications, closed with the stack they are put on."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from aiohttp import web

from gateway.config import Listen
from gateway.connections import Connections, most_connections
from gateway.ownership import user_name

GRACE_SECONDS = 5.0
KEEPALIVE_SECONDS: Final = 30
"""Seconds a connection has for a whole head, from its opening or its last answer on."""
BACKLOG = 1024
"""Connections that may wait on a unix socket: unlike TCP, one too many is not delayed but refused (connect(2), EAGAIN)."""


EXIT_CONFIG: Final = 78
"""Left with where a face cannot be opened as it is configured: to start again changes nothing (sysexits.h, EX_CONFIG)."""


class ListenRefused(Exception):
    """A face cannot be opened. `zh` and `en` say which file or port, as which user, and what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


async def serve_tcp(stack: AsyncExitStack, app: web.Application, listen: Listen, *, connections: Connections | None = None) -> int:
    """Serve `app` as `listen` says and return the port, which is the system's choice for port 0; see `connections.py` for who is cut.

    Raises:
        ListenRefused: the port is taken or not this user's to open, the host is not this machine's, or a TLS file cannot be read or used.
    """
    door = connections or Connections(most=most_connections())
    app.middlewares.insert(0, door.watched)
    runner = await _runner(stack, app)
    assert runner.server is not None
    door.serve(runner.server, None if listen.certificate is None else tls_context(listen.certificate, listen.key))
    try:
        server = await asyncio.get_running_loop().create_server(door, listen.host, listen.port, backlog=128)
    except OSError as error:
        raise port_refused(listen, error) from error
    stack.callback(door.close)
    stack.callback(server.close)
    for opened in server.sockets:  # accepted ones inherit it: the system ends a connection whose other side takes nothing of an answer (tcp(7))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(door.patience * 1000))
    return int(server.sockets[0].getsockname()[1])


def tls_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Return what a face speaks TLS with: version 1.2 and later.

    Raises:
        ListenRefused: a file cannot be read by this user, is no PEM file, or the two do not belong together.
    """
    for path in (certificate, key):
        if path is not None:
            try:
                path.open("rb").close()
            except OSError as error:
                raise _file_refused(path, error) from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise ListenRefused(
            f"证书 {certificate} 与私钥 {key} 不能用（{error.reason}）：两者要是 PEM 文件并且成对。请换上成对的文件，再启动",
            f"certificate {certificate} and key {key} cannot be used ({error.reason}): both must be PEM files and belong together. Put a pair there and start again",
        ) from error
    return context


def _file_refused(path: Path, error: OSError) -> ListenRefused:
    user = user_name()
    if isinstance(error, FileNotFoundError):
        return ListenRefused(
            f"没有 {path} 这个文件。请检查 --tls-cert、--tls-key 或 qianfa.toml 里的路径",
            f"there is no file {path}: look at the paths in --tls-cert, --tls-key or qianfa.toml",
        )
    return ListenRefused(
        f"用户 {user} 读不了 {path}（{error.strerror}）。请放一份该用户能读的（chgrp qianfa、chmod 640，所在目录也要能进入），或由反向代理终止 TLS（docs/howto/reverse-proxy.md）",
        f"user {user} cannot read {path} ({error.strerror}): give it a copy that it can read (chgrp qianfa, chmod 640, its folder open to it), or "
        "let a reverse proxy end TLS (docs/howto/reverse-proxy.md)",
    )


def port_refused(listen: Listen, error: OSError) -> ListenRefused:
    """Return what to say where the system would not open the port of `listen`."""
    where = f"{listen.host}:{listen.port}"
    if error.errno == errno.EADDRINUSE:
        return ListenRefused(
            f"{where} 已被别的程序占用（看是谁：ss -ltnp 'sport = :{listen.port}'）。停掉它，或在 qianfa.toml 里换一个端口，再启动",
            f"{where} is taken by another program (see which: ss -ltnp 'sport = :{listen.port}'): stop it, or choose another port in qianfa.toml, and start again",
        )
    if error.errno == errno.EACCES:
        return ListenRefused(
            f"用户 {user_name()} 不能打开 {where}（1024 以下的端口只归 root）。请用 1024 以上的端口，前面放反向代理（docs/howto/reverse-proxy.md）",
            f"user {user_name()} cannot open {where} (ports below 1024 are root's): choose one above, behind a reverse proxy (docs/howto/reverse-proxy.md)",
        )
    return ListenRefused(
        f"{where} 打不开（{os.strerror(error.errno or 0)}）。请检查 qianfa.toml 里的主机名和端口是不是这台机器的",
        f"{where} cannot be opened ({os.strerror(error.errno or 0)}): is the host in qianfa.toml this machine's?",
    )



async def serve_unix(stack: AsyncExitStack, app: web.Application, path: Path, *, mode: int) -> None:
    """Serve `app` on a unix socket of `mode`, in place of one that a crash left behind."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    runner = await _runner(stack, app)
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, str(path), backlog=BACKLOG).start()
    finally:
        os.umask(before)
    path.chmod(mode)


async def _runner(stack: AsyncExitStack, app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GRACE_SECONDS, keepalive_timeout=KEEPALIVE_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner
