"""The runner itself: it sees a bug that a test sees, reports one that no test sees, and reads every kind of place a bug can be in."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

from tests.mutants import operators, project, report

TOY = '''"""A toy."""

LIMITS = {"a": 3, "b": 5}


def _kept(name: str) -> bool:
    return name in LIMITS


def allowed(name: str, count: int) -> bool:
    """Return whether `count` is within the limit of a known name."""
    if not _kept(name):
        raise KeyError(name)
    return count <= LIMITS[name]


def never_called() -> int:
    return 1
'''
TESTS = '''"""Tests that know `a`, and its limit from one side only."""

import pytest

import toy


def test_a():
    assert toy.allowed("a", 2) is True
    assert toy.allowed("a", 4) is False
    with pytest.raises(KeyError, match="c"):
        toy.allowed("c", 0)


def test_that_fails_by_itself():
    assert False
'''


def test_it_sees_what_a_test_sees_and_names_what_none_sees(tmp_path: Path) -> None:
    """A weak test of a toy module: what it pins is killed, what it leaves open survives, and a failing test is left out."""
    root = tmp_path / "tree"
    (root / "tests").mkdir(parents=True)
    (root / "tests/__init__.py").touch()
    shutil.copytree(Path(project.__file__).parent, root / "tests/mutants", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "toy.py").write_text(TOY)
    (root / "test_toy.py").write_text(TESTS)
    found = project.measure(root, ["toy.py"], ["test_toy.py"])
    said = {(bug["where"], bug["change"]): bug["status"] for bug in found["results"]}
    assert found["failing"] == ["test_toy.py::test_that_fails_by_itself"]
    assert said["allowed", "raise KeyError(name) → pass"] == "survived"  # LIMITS["c"] raises the same: the report must say so
    assert said["allowed", "count <= LIMITS[name] → count > LIMITS[name]"] == "killed"
    assert said["allowed", "count <= LIMITS[name] → count < LIMITS[name]"] == "survived"
    assert said["allowed", "not _kept(name) → _kept(name)"] == "killed"
    assert said["_kept", "name in LIMITS → name not in LIMITS"] == "killed"
    assert said["module", "{'a': 3, 'b': 5} without 'a'"] == "killed"
    assert said["module", "{'a': 3, 'b': 5} without 'b'"] == "survived"
    assert said["module", "3 → 4"] == "killed"
    assert said["never_called", "1 → 2"] == "survived"
    assert (root / "toy.py").read_text() == TOY
    row = report.table({"toy.py": {"bugs": found["results"]}}).splitlines()[2]
    killed, survived = (list(said.values()).count(status) for status in ("killed", "survived"))
    assert row.startswith(f"| `toy.py` | {killed + survived} | {killed} | {survived} | 0 | {100 * killed / (killed + survived):.1f} %")
    assert report.verdict({"toy.py": {"bugs": found["results"]}}) == 1


def test_every_bug_is_a_change_with_a_name_of_its_own() -> None:
    """On a real module: each planted tree differs from the module, compiles or is told apart, and no two share a key."""
    source = (project.ROOT / "gateway/protocol/claims.py").read_text(encoding="utf-8")
    plain = ast.dump(ast.parse(source))
    keys = [mutant.key for mutant, _ in operators.mutants(source, "claims.py")]
    assert len(keys) == len(set(keys)) > 250
    for index in range(0, len(keys), 9):
        mutant, planted = operators.mutants(source, "claims.py")[index]
        assert ast.dump(planted()) != plain, mutant.key


def test_every_verdict_says_why() -> None:
    """What a person wrote about a survivor is in the table's form and says that nothing changes, or what would."""
    assert all(words.startswith(("equivalent: ", "left: ")) for words in report.verdicts().values())
