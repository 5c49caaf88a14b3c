"""`python -m tests.mutants`: plant bugs into tokens and machine, write docs/mutants.md, and fail below the goal."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.mutants import project, report

BUILD = project.ROOT / "build"
QUICK = 7


def main() -> int:
    """Run the groups asked for. Only a whole run, or a repeat over its leftovers, writes the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", metavar="PATH", help="one module or folder")
    parser.add_argument("--quick", action="store_true", help=f"every {QUICK}th bug; writes no report")
    parser.add_argument("--budget", type=float, default=8.0, metavar="S", help="processor seconds of tests that one bug is given")
    parser.add_argument("--again", action="store_true", help="only what survived or was not reached, where the code is unchanged; for writing tests")
    parser.add_argument("--minutes", type=float, default=1e9, metavar="M", help="for each group; bugs that were not reached are counted as such")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    asked = parser.parse_args()
    store = BUILD / "mutants.json"
    old = _read(store)
    new: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder, "tree")
        project.copy_tree(root)
        for targets, tests in project.groups(root, asked.only):
            new |= _measured(root, targets, tests, old, asked)
    print()
    if asked.quick:
        print(report.table(new))
    else:
        BUILD.mkdir(exist_ok=True)
        known = {path: module for path, module in {**_read(store), **new}.items() if (project.ROOT / path).exists()}
        store.write_text(json.dumps(known, ensure_ascii=False, indent=1))
        report.write(known)
        print(report.table(new))
        print(report.open_survivors(new))
    return report.verdict(new)


def _read(store: Path) -> dict[str, Any]:
    return json.loads(store.read_text()) if store.exists() else {}


def _measured(root: Path, targets: list[str], tests: list[str], old: dict[str, Any], asked: argparse.Namespace) -> dict[str, Any]:
    digests = {target: hashlib.sha256((root / target).read_bytes()).hexdigest() for target in targets}
    wanted, only, first = targets, None, []
    if asked.again:
        wanted = [target for target in targets if old.get(target, {}).get("sha256") == digests[target]]
        only = [bug["key"] for target in wanted for bug in old[target]["bugs"] if bug["status"] in {"survived", "not run"}]
        first = [bug["key"] for target in wanted for bug in old[target]["bugs"] if bug["status"] == "survived"]
    if not wanted:
        return {}
    found = project.measure(
        root, wanted, tests, jobs=asked.jobs, only=only, first=first, step=QUICK if asked.quick else 1, budget=asked.budget, minutes=asked.minutes,
    )
    new = {}
    for target in wanted:
        bugs = [bug for bug in found["results"] if bug["path"] == target]
        if asked.again:
            repeated = {bug["key"]: bug for bug in bugs if bug["status"] != "not run"}
            bugs = [repeated.get(bug["key"], bug) for bug in old[target]["bugs"]]
        new[target] = {"sha256": digests[target], "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), "bugs": bugs,
                       "failing": found["failing"], "budget": asked.budget}
    return new


if __name__ == "__main__":
    sys.exit(main())
