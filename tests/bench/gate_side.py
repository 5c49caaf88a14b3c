"""The gate in a process of its own: a founded and staffed deployment on disk, 32 channels, and one address that sends.

`python -m tests.bench.gate_side FOLDER PLATFORM_URL` prints its port; then each line `{"mint": N}` on standard input makes N publications
released by real commands (submitted, approved, released; tokens signed) and answers their ids by channel, `{"cpu": true}` answers its CPU seconds,
`{"profile": FILE}` starts a profile and, given again, writes it. `POST /send/ID` calls `Gate.send` and answers 200 when the publication is live.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import resource
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.content import Content, Source
from gateway.logs import configure
from gateway.machine.state import PublicationState
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


def application(house: House) -> web.Application:
    """Return the address that sends."""

    async def send(request: web.Request) -> web.Response:
        identifier = request.match_info["id"]
        await house.parts.gate.send(identifier)
        state = house.publication_state(identifier)
        return web.Response(status=200 if state is PublicationState.LIVE else 500, text=state.value)

    app = web.Application()
    app.add_routes([web.post("/send/{id}", send)])
    return app


class Orders:
    """Answers the lines on standard input."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._profile: cProfile.Profile | None = None

    async def answer(self, order: dict[str, Any]) -> Any:
        """Return the answer to one order."""
        if "mint" in order:
            return await mint(self._house, order["mint"])
        if "profile" in order:
            return self._profiled(order["profile"])
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {"cpu": usage.ru_utime + usage.ru_stime, "peak_kib": usage.ru_maxrss}

    def _profiled(self, path: str) -> bool:
        if self._profile is None:
            self._profile = cProfile.Profile()
            self._profile.enable()
            return True
        self._profile.disable()
        self._profile.dump_stats(path)
        self._profile = None
        return False


async def run(folder: Path, platform: str) -> None:
    """Found, staff, serve."""
    configure()
    founded = found_house(folder, bases={PLATFORM: platform})
    async with open_house(folder, {PLATFORM: BenchConnector()}, codes=founded.codes) as house:
        await house.staff()
        await add_channels(house)
        await house.lifecycle._stop_timers()
        runner = web.AppRunner(application(house), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=256).start()
        print(runner.addresses[0][1], flush=True)
        orders = Orders(house)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await orders.answer(json.loads(line))), flush=True)
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
