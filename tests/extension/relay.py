"""A wire between the browser and the desk that can be cut, lose one answer, or be tampered with by whoever owns the desk."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from typing import Any, Final

from gateway import canonical

_LENGTH: Final = re.compile(rb"(?i)content-length: *(\d+)")
SUBMISSION: Final = b"POST /api/v1/submissions "


class Relay:
    """Passes requests to `port` and answers back; `requests` keeps the request lines.

    `lie` alters the manifest of each answer that has one, and the digest is counted anew over the lie: what a desk would do that
    was taken over. `falsify` alters any answer that is an object, as it likes.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.up = True
        self.lose_answer_to_submission = False
        self.swap: tuple[bytes, bytes] | None = None
        self.lie: Callable[[dict[str, Any]], None] | None = None
        self.falsify: Callable[[dict[str, Any]], None] | None = None
        self.requests: list[str] = []

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break the wire until `mend`."""
        self.up = False
        for writer in list(self._open):
            writer.close()

    def mend(self) -> None:
        """Join it again."""
        self.up = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.up:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        self._open |= {writer, back}
        lost = asyncio.Event()
        try:
            await asyncio.gather(self._forth(reader, back, lost), self._back(there, writer, lost))
        finally:
            for end in (writer, back):
                self._open.discard(end)
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _forth(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                line = data.split(b"\r\n", 1)[0]
                if line.endswith(b"HTTP/1.1"):
                    self.requests.append(line.decode().rsplit(" ", 1)[0])
                if self.lose_answer_to_submission and data.startswith(SUBMISSION):
                    lost.set()
                back.write(data)
                await back.drain()
        back.close()

    async def _back(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await there.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await there.readexactly(int(length[1])) if length else b""
                if lost.is_set():
                    self.cut()
                    return
                writer.write(b"".join(self._told(head, body)))
                await writer.drain()
        writer.close()

    def _told(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        if self.swap is not None:
            body = body.replace(*self.swap)
        if self.lie is not None and b'"manifest":{' in body:
            answer = json.loads(body)
            self.lie(answer["manifest"])
            answer["content"] = canonical.digest(answer["manifest"])
            body = json.dumps(answer, ensure_ascii=False).encode()
        if self.falsify is not None and body.startswith(b"{"):
            answer = json.loads(body)
            self.falsify(answer)
            body = json.dumps(answer, ensure_ascii=False).encode()
        return _LENGTH.sub(b"Content-Length: %d" % len(body), head), body
