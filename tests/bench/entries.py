"""A log of a million real entries, built once and kept: one publication's life, taken from a run of the real enforcer, written again and again.

`python -m tests.bench.entries FOLDER ENTRIES PER_COMMIT` founds a deployment, lets one article go through submission, approval, release and gate,
and writes copies of those entries with ids, digests, instants and numbers of their own until the log has ENTRIES, PER_COMMIT under each signed
checkpoint. The result is a log that verifies and replays. `bodies.bin` holds the same bytes in one file, for `sha256sum`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from gateway import canonical
from gateway.enforcer.founding import signer_of
from gateway.log.writer import LogWriter
from gateway.logs import configure
from gateway.protocol import instants
from gateway.protocol.instants import Instant
from tests.bench.connector import PLATFORM, BenchConnector
from tests.bench.gate_side import add_channels, content
from tests.bench.platform import platform
from tests.gateway.enforcer.house import House, found_house, open_house

FORMAT: Final = 2
STEP_SECONDS: Final = 40.0
"""Between two entries: a million of them are about fifteen months."""

_IDS: Final = re.compile(r"\b(?:sub|pub|tok|sig)_[a-z2-7]{24}\b")
_DIGESTS: Final = re.compile(r"sha256:[0-9a-f]{64}")
_HUMAN: Final = frozenset({"submission.made", "signing.made"})


class Life:
    """One publication's entries as patterns with holes for everything that differs from the next one's."""

    def __init__(self, bodies: list[bytes], *, kept: frozenset[str]) -> None:
        values = [json.loads(body) for body in bodies]
        self.first = Instant(values[0]["at"])
        self.ids = sorted({found for body in bodies for found in _IDS.findall(body.decode())})
        self.digests = sorted({found for body in bodies for found in _DIGESTS.findall(body.decode())} - kept)
        self.patterns = [self._pattern(index, value) for index, value in enumerate(values)]

    def _pattern(self, index: int, value: dict[str, Any]) -> str:
        data = value["data"]
        value["seq"], value["at"] = "@seq@", "@at@"
        if value["type"] in _HUMAN:
            value["command"] = {"id": f"@cmd{index}@", "body": "sha256:" + "0" * 64}
        for name in ("hold_until", "not_before"):
            if name in data:
                data[name] = "@at@"
        for name in ("window_to", "not_after"):
            if data.get(name):
                data[name] = "@until@"
        if "number" in data:
            data["number"] = "签-2026-@number@"
        if "proof" in data:
            data["proof"]["nonce"] = f"@nonce{index}@"
        text = canonical.encode_trusted(value).decode().replace("%", "%%").replace('"@seq@"', "%(seq)d")
        for place, known in enumerate(self.ids):
            text = text.replace(known, f"{known[:4]}%(id{place})s")
        for place, known in enumerate(self.digests):
            text = text.replace(known, f"sha256:%(digest{place})s")
        return re.sub("@([a-z0-9]+)@", r"%(\1)s", text)

    def lives(self, seq: int) -> Iterator[bytes]:
        """Yield the entries of one life after another, the first of them as number `seq`."""
        moment = instants.to_datetime(self.first)
        number = 1
        while True:
            number += 1
            seed = hashlib.sha512(b"%d" % number).hexdigest()
            holes: dict[str, Any] = {f"id{place}": f"{seed[place * 4 : place * 4 + 16]}{number:08d}" for place in range(len(self.ids))}
            for place in range(len(self.digests)):
                holes[f"digest{place}"] = seed[place : place + 56] + f"{number:08d}"
            holes["number"] = f"{number:04d}"
            holes["until"] = instants.from_datetime(moment + timedelta(days=3))
            for index, pattern in enumerate(self.patterns):
                moment += timedelta(seconds=STEP_SECONDS)
                holes |= {"seq": seq, "at": instants.from_datetime(moment), f"cmd{index}": f"cmd-{number}-{index}", f"nonce{index}": f"n-{number}-{index}"}
                seq += 1
                yield (pattern % holes).encode()


async def one_life(house: House) -> Life:
    """Let one article go its whole way and return its entries as patterns."""
    await add_channels(house, 1)
    await house.lifecycle._stop_timers()
    start = house.state.size
    submission = await house.submit(content(1), *sorted(house.channels))
    (publication,) = await house.release(submission)
    await house.parts.gate.send(publication)
    assert house.publication_state(publication).value == "live"
    kept = frozenset({house.state.publications[publication].epoch, house.parts.runner.blobs.put(b"{}")})
    return Life(list(house.parts.reader.read(start, house.state.size)), kept=kept)


def write(house: House, life: Life, entries: int, per_commit: int) -> None:
    """Append lives until the log has `entries`, each batch durable under a checkpoint of its own."""
    parts, vault = house.runner.parts, house.parts.vault
    writer = LogWriter(
        store=parts.store, copies=parts.copies, tree=parts.tree, chain=parts.chain, signer=signer_of(vault, house.parts.settings.deployment),
        epoch=house.state.epoch, fence=parts.fence,
    )
    source = life.lives(writer.size)
    while writer.size < entries:
        room = min(per_commit, entries - writer.size)
        writer.commit([next(source) for _ in range(room)])
        if writer.size % 100_000 < per_commit:
            print(writer.size, file=sys.stderr, flush=True)
    writer.sync()


async def make(folder: Path, entries: int, per_commit: int) -> None:
    """Build the log under `folder`."""
    runner = web.AppRunner(platform(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    founded = found_house(folder, bases={PLATFORM: f"http://127.0.0.1:{runner.addresses[0][1]}"})
    async with open_house(folder, {PLATFORM: BenchConnector()}, codes=founded.codes) as house:
        await house.staff()
        life = await one_life(house)
        await house.runner.close()
        write(house, life, entries, per_commit)
        with (folder / "bodies.bin").open("wb") as file:
            for body in house.runner.parts.store.read(0, entries):
                file.write(body)
        settings = house.parts.settings
        ready = {"format": FORMAT, "entries": entries, "per_commit": per_commit, "log": str(settings.enforcer_data / "log.db"),
                 "copies": str(settings.copies), "vkey": settings.log_key, "bodies": str(folder / "bodies.bin")}
    await runner.cleanup()
    (folder / "ready.json").write_text(json.dumps(ready))


if __name__ == "__main__":
    configure()
    asyncio.run(make(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
