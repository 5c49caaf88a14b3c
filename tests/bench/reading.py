"""Reading a large log: `verify` and `start` in children of their own, so that time and peak memory are theirs alone.

`python -m tests.bench.reading verify|start FOLDER` prints one JSON line: seconds, CPU seconds, peak KiB, and entries.
"""

from __future__ import annotations

import importlib
import json
import resource
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench.processes import ROOT

PER_COMMIT = 64
"""Entries under one checkpoint: what a busy house commits together."""


def ready(folder: Path, entries: int, per_commit: int) -> dict[str, Any]:
    """Return the description of the log under `folder`, built first where it is not there."""
    from tests.bench.entries import FORMAT

    mark = folder / "ready.json"
    known = json.loads(mark.read_text()) if mark.exists() else {}
    if (known.get("format"), known.get("entries"), known.get("per_commit")) != (FORMAT, entries, per_commit):
        subprocess.run(["rm", "-rf", str(folder)], check=True)
        folder.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "tests.bench.entries", str(folder), str(entries), str(per_commit)], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        known = json.loads(mark.read_text())
    return dict(known)


def child(what: str, folder: Path) -> dict[str, float]:
    """Run one reading in a child and return its figures."""
    done = subprocess.run([sys.executable, "-m", "tests.bench.reading", what, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def sha256sum(bodies: str) -> float:
    """Return how many seconds `sha256sum` takes over the same bytes."""
    started = time.perf_counter()
    subprocess.run(["sha256sum", bodies], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def figures(turns: list[tuple[float, dict[str, float], dict[str, float]]]) -> dict[str, float]:
    """Return the rows' values from rounds of (sha256sum, verify, start)."""
    return {
        "verify_ratio": statistics.median(verified["seconds"] / plain for plain, verified, _ in turns),
        "verify_memory": max(verified["peak_kib"] for _, verified, _ in turns) / 1024,
        "start_seconds": statistics.median(started["seconds"] for _, _, started in turns),
        "start_cpu_seconds": statistics.median(max(started["cpu"], started["second_cpu"]) for _, _, started in turns),
        "start_cpu_both": statistics.median(started["cpu"] + started["second_cpu"] for _, _, started in turns),
        "start_ratio": statistics.median(started["seconds"] / plain for plain, _, started in turns),
        "start_memory": max(started["peak_kib"] + started["second_own_kib"] for _, _, started in turns) / 1024,
    }


def verify(log: dict[str, Any]) -> int:
    """Verify store and copy, every signature included, and return the number of entries."""
    from gateway.log.audit import verify_store
    from gateway.log.checkpoint import parse_vkey

    report = verify_store(Path(log["log"]), parse_vkey(log["vkey"]), copies=[Path(log["copies"])])
    if not report.ok:
        raise SystemExit(str(report.findings))
    return report.size


def start(log: dict[str, Any]) -> int:
    """Start as the enforcer does, and return the number of entries applied."""
    from gateway.enforcer import startup
    from gateway.enforcer.reading import Reader, worth_it

    with ExitStack() as opened:
        reader = Reader.fork() if worth_it(Path(log["log"])) else None
        if reader is not None:
            opened.callback(reader.close)
        started = startup.start(Path(log["log"]), Path(log["copies"]), log["vkey"], reader=reader)
    assert started.state.size == started.tip.size
    return started.state.size


def main() -> None:
    """Run one reading."""
    log = json.loads((Path(sys.argv[2]) / "ready.json").read_text())
    importlib.import_module({"verify": "gateway.log.audit", "start": "gateway.enforcer.building"}[sys.argv[1]])  # no part of what is measured
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    entries = {"verify": verify, "start": start}[sys.argv[1]](log)
    seconds = time.perf_counter() - started
    own, second = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({
        "seconds": seconds, "cpu": own.ru_utime + own.ru_stime - before.ru_utime - before.ru_stime, "peak_kib": own.ru_maxrss,
        "second_cpu": second.ru_utime + second.ru_stime, "second_own_kib": max(0, second.ru_maxrss - before.ru_maxrss), "entries": entries,
    }))


if __name__ == "__main__":
    main()
