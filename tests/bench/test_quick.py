"""The benchmarks run, and what they write has every row; no figure is judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.processes import ROOT
from tests.bench.report import lines
from tests.bench.rows import CATALOGUE, GROUPS, bar, row


@pytest.mark.acceptance
@pytest.mark.timeout(600)
def test_a_quick_run_has_every_row(tmp_path: Path) -> None:
    """`--quick` writes each row of the catalogue once, with a number, a goal, a unit, and whatever was measured behind it."""
    out = tmp_path / "bench.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--out", str(out)], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "160"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert [one["name"] for one in found["rows"]] == [kind.name for kind in CATALOGUE]
    for one in found["rows"]:
        assert set(one) == {"name", "value", "goal", "unit", "met"}
        assert isinstance(one["value"], float)
        assert one["name"] in done.stdout
    assert set(found["details"]) == set(GROUPS)
    assert {"processor", "cores", "load_before", "load_after"} <= set(found["machine"])
    assert sum(text.startswith("| `") for text in lines(found)) == len(CATALOGUE)


def test_goals_are_judged_both_ways() -> None:
    """A ratio that must be large and one that must be small are each met on their own side, and the bar is full exactly then."""
    for name, good, bad in (("publish_ratio", 0.3, 0.2), ("token_ratio", 2.0, 3.0)):
        assert row(name, good).met
        assert not row(name, bad).met
        assert "░" not in bar(row(name, good))
        assert "░" in bar(row(name, bad))
    assert row("append_p99", 1.0).met is None
    assert bar(row("append_p99", 1.0)) == ""
