"""`python -m tests.bench`: run the benchmarks, show a table, write `build/bench.json`.

`--only GROUP` (may be repeated) runs some groups and keeps the other rows of the last run; `--quick` takes tiny sizes: it shows that everything
runs, its figures mean nothing. `--write-docs` puts the last run's table into `docs/benchmarks.md` and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench import append, cold, pages, publish, reading, tokens
from tests.bench.processes import ROOT
from tests.bench.report import write_docs
from tests.bench.rows import CATALOGUE, GROUPS, Row, as_json, row, table

Tick = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything."""

    rounds: int
    calls: int
    single: int
    inserts: int
    appended: int
    entries: int
    readings: int
    drafts: tuple[int, int]
    loads: int


FULL = Sizes(rounds=7, calls=480, single=64, inserts=2000, appended=20_000, entries=1_000_000, readings=3, drafts=(1_000, 100_000), loads=200)
QUICK = Sizes(rounds=1, calls=64, single=32, inserts=50, appended=500, entries=2_000, readings=1, drafts=(20, 60), loads=5)


def run_publish(work: Path, sizes: Sizes, tick: Tick) -> tuple[dict[str, float], Any]:
    """Measure the group `publish`."""
    result = publish.measure(work, rounds=sizes.rounds * 3, calls=sizes.calls, single=sizes.single, tick=tick)
    return publish.figures(result), result


def run_append(work: Path, sizes: Sizes, tick: Tick) -> tuple[dict[str, float], Any]:
    """Measure the group `append`."""
    turns = []
    for turn in append.measure(work, rounds=sizes.rounds, inserts=sizes.inserts, entries=sizes.appended):
        turns.append(turn)
        tick()
    return append.figures(turns), turns


def run_token(_work: Path, sizes: Sizes, tick: Tick) -> tuple[dict[str, float], Any]:
    """Measure the group `token`."""
    turns = []
    for turn in tokens.measure(rounds=sizes.rounds * 2):
        turns.append(turn)
        tick()
    return tokens.figures(turns), turns


def run_log(work: Path, sizes: Sizes, tick: Tick) -> tuple[dict[str, float], Any]:
    """Measure the group `log`."""
    folder = work / f"log-{sizes.entries}"
    log = reading.ready(folder, sizes.entries, reading.PER_COMMIT)
    turns = []
    for _ in range(sizes.readings):
        turns.append((reading.sha256sum(log["bodies"]), reading.child("verify", folder), reading.child("start", folder)))
        tick()
    return reading.figures(turns), turns


def run_pages(work: Path, sizes: Sizes, tick: Tick) -> tuple[dict[str, float], Any]:
    """Measure the group `pages`."""
    result = pages.measure(work, drafts=sizes.drafts, loads=sizes.loads, tick=tick)
    return pages.figures(result), result


def run_cold(work: Path, sizes: Sizes, tick: Tick) -> tuple[dict[str, float], Any]:
    """Measure the group `cold`."""
    turns = []
    for _ in range(min(sizes.rounds, 5)):
        turns.append(cold.measure(work))
        tick()
    return cold.figures(turns), turns


RUN = {"publish": run_publish, "append": run_append, "token": run_token, "log": run_log, "pages": run_pages, "cold": run_cold}


def described() -> dict[str, Any]:
    """Describe the machine and the moment."""
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    memory = int(next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal")))
    return {"at": datetime.now(UTC).isoformat(timespec="seconds"), "processor": model, "cores": os.cpu_count(), "memory_gib": round(memory / 2**20, 1),
            "kernel": platform.release(), "python": platform.python_version(), "load_before": round(os.getloadavg()[0], 2)}


def measured(groups: list[str], sizes: Sizes, work: Path, console: Console) -> tuple[dict[str, float], dict[str, Any]]:
    """Run the groups and return values by name, and everything that was measured."""
    values: dict[str, float] = {}
    details: dict[str, Any] = {}
    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        for group in groups:
            task = progress.add_task(group, total=None)
            found, details[group] = RUN[group](work, sizes, lambda task=task: progress.advance(task))  # type: ignore[misc]
            values |= found
            progress.update(task, total=progress.tasks[task].completed or 1)
    return values, details


def main(arguments: list[str] | None = None) -> int:
    """Do what was asked for; 0 even where a goal is missed, since a loaded machine is no failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=GROUPS, default=[], metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench.json")
    options = parser.parse_args(arguments)
    console = Console(stderr=False)
    if options.write_docs:
        write_docs(json.loads(options.out.read_text()))
        return 0
    work = options.out.parent / "bench"
    work.mkdir(parents=True, exist_ok=True)
    machine = described()
    values, details = measured(options.only or list(GROUPS), QUICK if options.quick else FULL, work, console)
    kept: dict[str, Any] = json.loads(options.out.read_text()) if options.only and options.out.exists() else {"rows": [], "details": {}}
    known: dict[str, Row] = {one["name"]: Row(**one) for one in kept["rows"]} | {name: row(name, value) for name, value in values.items()}
    rows = [known[kind.name] for kind in CATALOGUE if kind.name in known]
    machine["load_after"] = round(os.getloadavg()[0], 2)
    options.out.write_text(json.dumps(as_json(rows, machine, kept["details"] | details), ensure_ascii=False, indent=1) + "\n")
    console.print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
