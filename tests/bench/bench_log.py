"""Measure the log against what is underneath it: raw SQLite inserts, and `sha256sum` over the same bytes.

`python tests/bench/bench_log.py [--entries 1000000]` prints ratios; both sides of each run in the same minute, interleaved, and
the median counts (security.md P3 and P4).
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.log.audit import verify_store
from gateway.log.checkpoint import KeyChain, LogKey, Signer
from gateway.log.copies import CheckpointCopies
from gateway.log.merkle import Tree
from gateway.log.store import LogStore
from gateway.log.writer import GroupCommitLog, LogWriter

BODY = b'{"actor":"system","at":"2026-11-23T08:00:00.000Z","command":null,"data":{"text":"%s"},"object":"dep_1","seq":%d,"type":"x","v":1}'
WRITERS = 64


def body(index: int) -> bytes:
    """Return an entry of about 400 bytes."""
    return BODY % (b"x" * 290, index)


def writer(folder: Path) -> LogWriter:
    """Return a fresh writer in `folder`."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
    signer = Signer(LogKey("qianfa.bench", private.public_key().public_bytes_raw()), private.sign)
    store = LogStore.open(folder / "log.db")
    return LogWriter(
        store=store, copies=CheckpointCopies.open(folder / "log.copy"), tree=Tree(), chain=KeyChain(signer.key), signer=signer, epoch="e1",
        fence=store.take_fence(),
    )


def raw(folder: Path, count: int) -> float:
    """Return raw one-row inserts a second, each in its own durable transaction."""
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, body BLOB)")
    bodies = [body(i) for i in range(count)]
    start = time.perf_counter()
    for index, one in enumerate(bodies):
        connection.execute("INSERT INTO entries VALUES (?, ?)", (index, one))
    return count / (time.perf_counter() - start)


async def grouped(folder: Path, count: int) -> tuple[float, float]:
    """Return durable, checkpointed entries a second with 64 callers that wait for each, and the 99th percentile of waiting in ms."""
    log = GroupCommitLog(writer(folder))
    waits: list[float] = []

    async def one(first: int) -> None:
        for index in range(first, count, WRITERS):
            before = time.perf_counter()
            await log.append([body(index)])
            waits.append(time.perf_counter() - before)

    start = time.perf_counter()
    await asyncio.gather(*(one(first) for first in range(WRITERS)))
    took = time.perf_counter() - start
    await log.close()
    return count / took, statistics.quantiles(waits, n=100)[98] * 1000


def appends(rounds: int = 5) -> None:
    """Print P3."""
    ours, theirs, waits = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            theirs.append(raw(folder, 2000))
            rate, wait = asyncio.run(grouped(folder, 20_000))
            ours.append(rate)
            waits.append(wait)
    one, other = statistics.median(ours), statistics.median(theirs)
    print(f"append, {WRITERS} writers: {one:,.0f}/s, p99 {statistics.median(waits):.1f} ms; raw one-row inserts: {other:,.0f}/s; ratio {one / other:.1f}")


def verification(entries: int, rounds: int = 3) -> None:
    """Print P4."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = writer(folder)
        for first in range(0, entries, WRITERS):
            log.commit([body(i) for i in range(first, min(first + WRITERS, entries))])
        with (folder / "bodies").open("wb") as file:
            for i in range(entries):
                file.write(body(i))
        ours, theirs, peak = [], [], 0
        for _ in range(rounds):
            start = time.perf_counter()
            subprocess.run(["sha256sum", str(folder / "bodies")], check=True, stdout=subprocess.DEVNULL)
            theirs.append(time.perf_counter() - start)
            child = subprocess.run([sys.executable, __file__, "--verify", name], check=True, capture_output=True, text=True)
            took, memory = child.stdout.split()
            ours.append(float(took))
            peak = max(peak, int(memory))
    one, other = statistics.median(ours), statistics.median(theirs)
    print(f"verify {entries:,} entries: {one:.1f} s, peak {peak / 1024:.0f} MB; sha256sum of the same bytes: {other:.1f} s; ratio {one / other:.1f}")


def verify_child(folder: Path) -> None:
    """Verify one store and print seconds and peak memory in KB."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
    start = time.perf_counter()
    report = verify_store(folder / "log.db", LogKey("qianfa.bench", private.public_key().public_bytes_raw()), copies=[folder / "log.copy"])
    if not report.ok:
        raise SystemExit(str(report.findings))
    print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def build(entries: int) -> None:
    """Print how long a tree takes."""
    leaves = [i.to_bytes(32, "big") for i in range(entries)]
    start = time.perf_counter()
    Tree().extend(leaves)
    print(f"tree of {entries:,} leaf hashes: {time.perf_counter() - start:.1f} s")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--verify", type=Path)
    options = parser.parse_args()
    if options.verify is not None:
        verify_child(options.verify)
        return
    appends()
    build(options.entries)
    verification(options.entries)


if __name__ == "__main__":
    main()
