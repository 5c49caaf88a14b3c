"""Durable append with 64 writers beside raw one-row inserts, in turns."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.bench_log import grouped, raw


def measure(work: Path, *, rounds: int, inserts: int, entries: int) -> Iterator[tuple[float, float, float]]:
    """Yield, for each round, entries a second through the log, inserts a second of raw sqlite3, and the log's p99 of waiting in ms."""
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=work) as name:
            theirs = raw(Path(name), inserts)
            ours, wait = asyncio.run(grouped(Path(name), entries))
            yield ours, theirs, wait


def figures(turns: list[tuple[float, float, float]]) -> dict[str, float]:
    """Return the rows' values."""
    return {
        "append_ratio": statistics.median(ours / theirs for ours, theirs, _ in turns),
        "append_p99": statistics.median(wait for _, _, wait in turns),
    }
