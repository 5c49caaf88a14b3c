"""`python -m tests.mutants`: plant bugs into tokens, canonical JSON, machine and gate, write docs/mutants.md, and fail below the goal."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.mutants import operators, project, report

BUILD = project.ROOT / "build"
QUICK = 7
KEPT = {"killed", "timeout", "invalid"}


def main() -> int:
    """Run the groups asked for. Only a whole run, or a repeat over its leftovers, writes the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", metavar="PATH", nargs="+", help="modules or folders")
    parser.add_argument("--quick", action="store_true", help=f"every {QUICK}th bug; writes no report")
    parser.add_argument("--budget", type=float, default=8.0, metavar="S", help="processor seconds of tests that one bug is given")
    parser.add_argument("--again", action="store_true", help="keep what was seen, and verdicts, where the function is unchanged; run the rest")
    parser.add_argument("--unreached", action="store_true", help="with --again: leave what survived for later")
    parser.add_argument("--inside", action="store_true", help="only bugs inside functions, which cost least")
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
    """Measure a group. With `--again` a bug keeps what was said of it while the text of its function is the same: tests are added, not lost."""
    said = _said(root, targets, old) if asked.again else {}
    only = [key for key, bug in said.items() if bug["status"] not in KEPT and not (bug["status"] == "survived" and key in report.verdicts())]
    if asked.unreached:
        only = [key for key in only if said[key]["status"] == "not run"]
    first = [key for key in only if said[key]["status"] == "survived"]
    found = project.measure(
        root, targets, tests, jobs=asked.jobs, only=only if asked.again else None, first=first, step=QUICK if asked.quick else 1,
        budget=asked.budget, minutes=asked.minutes, inside=asked.inside,
        killers=_killers(said.values()),
    ) if only or not asked.again else {"results": [], "failing": []}
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    ran = {bug["key"]: {**bug, "at": now, "budget": asked.budget} for bug in found["results"]}
    new = {}
    for target in targets:
        keys = [key for key, bug in (said or ran).items() if bug["path"] == target]
        bugs = [ran[key] if key in ran and (ran[key]["status"] != "not run" or key not in said) else said[key] for key in keys]
        new[target] = {"sha256": hashlib.sha256((root / target).read_bytes()).hexdigest(), "bugs": bugs, "failing": found["failing"]}
    return new


def _killers(bugs: Iterable[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Return which tests saw bugs of which function."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for bug in bugs:
        if bug["status"] == "killed":
            found[bug["path"] + bug["where"]][bug["by"]] += 1
    return dict(found)


def _said(root: Path, targets: list[str], old: dict[str, Any]) -> dict[str, Any]:
    """Return each bug of today's code with what an earlier run said of it, or as not run."""
    said = {}
    for target in targets:
        before = {(bug["key"], bug["code"]): bug for bug in old.get(target, {"bugs": []})["bugs"]}
        for mutant, _ in operators.mutants((root / target).read_text(encoding="utf-8"), target):
            fresh = {**asdict(mutant), "key": mutant.key}
            said[mutant.key] = {"status": "not run", "by": "", "at": "", "budget": 0.0, **before.get((mutant.key, mutant.code), {}), **fresh}
    return said


if __name__ == "__main__":
    sys.exit(main())
