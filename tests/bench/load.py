"""The load driver, in a process of its own: keep-alive connections, each with one request in flight.

`python -m tests.bench.load PORT` reads one JSON line, `{"connections": [[item, …], …], "body": bytes}`; each inner list is sent in order over
one connection: as POST to the path it names with so many bytes, or, with `body` 0, as a line to the gate's side. It prints one JSON line: seconds, calls a second, latencies in milliseconds (p50, p99), and its own CPU seconds.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import sys
import time

_HEAD = "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"


async def one_connection(port: int, items: list[str], body: bytes, latencies: list[float]) -> None:
    """Send each item after the answer to the one before it; any answer but 200, or live, ends the run."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    ask = _post if body else _line
    for item in items:
        request = _HEAD.format(path=item, port=port, length=len(body)).encode() + body if body else item.encode() + b"\n"
        started = time.perf_counter()
        writer.write(request)
        await ask(reader)
        latencies.append(time.perf_counter() - started)
    writer.close()


async def _post(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
    answer = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"{head[:40]!r} {answer[:200]!r}")


async def _line(reader: asyncio.StreamReader) -> None:
    if (answer := await reader.readline()) != b"live\n":
        raise SystemExit(f"{answer!r}")


async def drive(port: int, connections: list[list[str]], body: bytes) -> dict[str, float]:
    """Run all connections at once and return the figures."""
    latencies: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(one_connection(port, paths, body, latencies) for paths in connections))
    seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cuts = statistics.quantiles(latencies, n=100, method="inclusive") if len(latencies) > 1 else latencies * 99
    return {"seconds": seconds, "rate": len(latencies) / seconds, "p50": cuts[49] * 1000, "p99": cuts[98] * 1000,
            "cpu": usage.ru_utime + usage.ru_stime}


def main() -> None:
    """Serve one order."""
    order = json.loads(sys.stdin.readline())
    print(json.dumps(asyncio.run(drive(int(sys.argv[1]), order["connections"], b"x" * order["body"]))), flush=True)


if __name__ == "__main__":
    main()
