"""The desk's to-do page and the counter's review page over a small and a large house, each in a process of its own, in turns.

`python -m tests.bench.pages desk|counter FOLDER N` prints a line when it is ready; then each line `{"loads": n}` is answered by n times in
milliseconds. The desk's read model is filled through its own tables; the counter stands on a log of N submissions that went their whole way.
What waits for the person who looks is the same in both sizes.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import insert, inspect, select

from gateway.desk.drafts.tables import DraftRow
from gateway.desk.readmodel.submissions import SubmissionRow, WaitingRow
from gateway.logs import configure
from tests.bench.processes import Child, child

WAITING = 10
CHUNK = 5_000
PERSON = "gu"
_UNITS = 40


def measure(work: Path, *, drafts: tuple[int, int], loads: int, tick: Callable[[], None]) -> dict[str, dict[str, list[float]]]:
    """Return every load's milliseconds by page and size."""
    result: dict[str, dict[str, list[float]]] = {}
    for page in ("desk", "counter"):
        with ExitStack() as stack:
            sides: dict[str, Child] = {}
            for size, count in zip(("small", "large"), drafts, strict=True):
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="qf-"))  # a socket's path has 107 bytes at most
                sides[size] = stack.enter_context(child("pages", page, folder, str(count), log=work / "pages.log"))
            for side in sides.values():
                side.line()
            times: dict[str, list[float]] = {size: [] for size in sides}
            for _ in range(5):
                for size, side in sides.items():
                    times[size] += side.ask({"loads": -(-loads // 5)})
            result[page] = times
            tick()
    return result


def p95(times: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(times, n=20, method="inclusive")[18]


def figures(result: dict[str, dict[str, list[float]]]) -> dict[str, float]:
    """Return the rows' values."""
    names = {"desk": "todo_p95_ratio", "counter": "review_p95_ratio"}
    return {names[page]: p95(times["large"]) / p95(times["small"]) for page, times in result.items()}


async def answer(load: Callable[[], Awaitable[None]]) -> None:
    """Answer orders until standard input ends; the first loads warm up and do not count."""
    for _ in range(3):
        await load()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        times = []
        for _ in range(json.loads(line)["loads"]):
            started = time.perf_counter()
            await load()
            times.append((time.perf_counter() - started) * 1000)
        print(json.dumps(times), flush=True)


# ---- the desk


def _values(row: Any) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in inspect(type(row)).columns}


async def fill_desk(place: Any, sample: str, count: int) -> None:
    """Put `count` drafts with their submissions into the desk's tables: most are done, one in a hundred waits for some other unit."""
    async with place.parts.sessions() as session:
        submission = _values(await session.get(SubmissionRow, sample))
        waiting = _values((await session.scalars(select(WaitingRow).where(WaitingRow.submission == sample))).first())
        draft = _values((await session.scalars(select(DraftRow))).first())
    for start in range(0, count, CHUNK):
        numbers = range(start, min(start + CHUNK, count))
        rows = [
            submission | {"id": f"sub_{n:024d}", "number": f"签-2025-{n:06d}", "draft": f"draft_{n:020d}", "author": f"per_{n % 400:020d}",
                          "unit": f"unit_{n % _UNITS}", "state": "in_review" if n % 100 == 0 else "done",
                          "waiting": submission["waiting"] if n % 100 == 0 else [], "made_at": f"2025-{n % 12 + 1:02d}-{n % 28 + 1:02d}T08:00:00.000Z"}
            for n in numbers
        ]
        async with place.parts.sessions() as session, session.begin():
            await session.execute(insert(SubmissionRow), rows)
            await session.execute(insert(DraftRow), [
                draft | {"id": row["draft"], "owner": row["author"], "unit": row["unit"], "submission": row["id"], "changed_at": row["made_at"]}
                for row in rows])
            await session.execute(insert(WaitingRow), [
                waiting | {"submission": row["id"], "scope": row["unit"]} for row in rows if row["state"] == "in_review"])


async def desk(folder: Path, count: int) -> None:
    """Serve the desk over a filled read model."""
    from tests.gateway.desk.conftest import open_place
    from tests.gateway.desk.story import submit

    async with open_place(folder) as place:
        author = await place.browser("lu")
        waiting = [await submit(author, f"等待同意的第{number}篇", place.channel()) for number in range(WAITING)]
        await place.caught_up()
        await fill_desk(place, waiting[0], count)
        browser = await place.browser(PERSON)

        async def load() -> None:
            found = await browser.get("/")
            assert found.status == 200, found.status
            assert "等待同意的第3篇" in found.text

        await answer(load)


# ---- the counter


async def counter(folder: Path, count: int) -> None:
    """Serve the counter over a log of `count` finished submissions and a few that wait."""
    from tests.bench.connector import PLATFORM, BenchConnector
    from tests.bench.entries import make
    from tests.bench.gate_side import content
    from tests.gateway.enforcer.counter.kit import counter_over
    from tests.gateway.enforcer.house import open_house

    await make(folder, 120 + count * 9, 64)
    async with open_house(folder, {PLATFORM: BenchConnector()}) as house:
        await house.lifecycle._stop_timers()
        waiting = [await house.submit(content(1_000_000 + number), *sorted(house.channels)) for number in range(WAITING)]
        async with counter_over(house, folder) as front:
            browser = front.signed_in(PERSON)

            async def load() -> None:
                found = await browser.get(f"/s/item/{waiting[3]}")
                assert found.status == 200, browser.text[:500]

            await answer(load)


if __name__ == "__main__":
    configure()
    asyncio.run({"desk": desk, "counter": counter}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3])))
