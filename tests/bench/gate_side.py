"""The gate in a process of its own: a founded and staffed deployment on disk, 32 channels, and one address that sends.

`python -m tests.bench.gate_side FOLDER PLATFORM_URL` prints its port; then each line `{"mint": N}` on standard input makes N publications
released by real commands (submitted, approved, released; tokens signed) and answers their ids by channel,
`{"profile": FILE}` starts a profile and, given again, writes it. At the port each line is a publication's id; `Gate.send` takes it, and the answer is
a line with its state. In the product it is the enforcer's own timer that asks, so the asking is as plain as it can be.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from gateway.content import Content, Source
from gateway.enforcer.app import settle
from gateway.logs import configure
from tests.bench.connector import PLATFORM, BenchConnector
from tests.gateway.enforcer.house import House, found_house, open_house

CHANNELS = 32
SUBMISSION_CHANNELS = 4
BODY_BYTES = 4096
_SENTENCE = "入冬前，禾汀灌溉工程部在云岗村更换了老旧支管，村里的轮灌时间由三天缩短到一天半。"


def content(number: int) -> Content:
    """Return a content whose body has 4 KiB in UTF-8."""
    head = f"第{number}篇："
    room = BODY_BYTES - len("<p></p>") - len(head.encode())
    text = (_SENTENCE * 40).encode()[:room].decode(errors="ignore")
    text += "." * (room - len(text.encode()))
    return Content.build(title=f"秋收之后，第{number}次修水管", summary="云岗村更换老旧支管", author="陆晓棠",
                         source=Source(kind="original", name="", url=""), body=f"<p>{head}{text}</p>", pictures={}, cover=None)


async def add_channels(house: House, count: int = CHANNELS) -> None:
    """File the bench channels, each with an account and a credential of its own, by two people."""
    for number in range(count):
        await house.add_channel(f"b{number:02d}", PLATFORM, f"bench-{number}", {"token": f"bench-token-{number:04d}"},
                                settings={"daily_limit": "999999"})


async def mint(house: House, count: int) -> list[list[str]]:
    """Release `count` publications, as many on each channel; return their ids by channel."""
    keys = sorted(house.channels)
    by_channel: dict[str, list[str]] = {house.channels[key]: [] for key in keys}
    waves = -(-count // len(keys))
    for _ in range(waves):
        for start in range(0, len(keys), SUBMISSION_CHANNELS):
            submission = await house.submit(content(next(house.count)), *keys[start : start + SUBMISSION_CHANNELS])
            for publication in await house.release(submission):
                by_channel[house.state.publications[publication].channel].append(publication)
    return list(by_channel.values())


class Sends(asyncio.Protocol):
    """One connection: a line in, a send, a line out."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._sending: asyncio.Task[None] | None = None
        self._out: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._out = transport

    def data_received(self, data: bytes) -> None:
        """Send what the line names; the driver has one line in flight."""
        self._sending = asyncio.get_running_loop().create_task(self._send(data.decode().strip()))

    async def _send(self, identifier: str) -> None:
        await self._house.parts.gate.send(identifier)
        assert self._out is not None
        self._out.write(self._house.publication_state(identifier).value.encode() + b"\n")


class Orders:
    """Answers the lines on standard input."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._samples: Counter[str] | None = None

    async def answer(self, order: dict[str, Any]) -> Any:
        """Return the answer to one order."""
        if "mint" in order:
            return await mint(self._house, order["mint"])
        if "profile" in order:
            return self._profiled(order["profile"])
        raise ValueError(order)

    def _profiled(self, path: str) -> bool:
        """Sample the main thread's stack each millisecond of CPU; the second call writes `samples<TAB>function` lines, callers included."""
        if self._samples is None:
            samples = self._samples = Counter()

            def sample(_signal: int, frame: Any) -> None:
                seen = set()
                while frame is not None:
                    code = frame.f_code
                    seen.add(f"{code.co_filename.rpartition('site-packages/')[2]}:{code.co_name}")
                    frame = frame.f_back
                samples.update(seen)
                samples[""] += 1

            signal.signal(signal.SIGPROF, sample)
            signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
            return True
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(path).write_text("".join(f"{count}\t{name}\n" for name, count in self._samples.most_common()))
        self._samples = None
        return False


async def run(folder: Path, platform: str) -> None:
    """Found, staff, serve."""
    configure()
    founded = found_house(folder, bases={PLATFORM: platform})
    async with open_house(folder, {PLATFORM: BenchConnector()}, codes=founded.codes) as house:
        await house.staff()
        await add_channels(house)
        await house.lifecycle._stop_timers()
        settle()
        server = await asyncio.get_running_loop().create_server(lambda: Sends(house), "127.0.0.1", 0, backlog=256)
        print(server.sockets[0].getsockname()[1], flush=True)
        orders = Orders(house)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await orders.answer(json.loads(line))), flush=True)
        server.close()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
