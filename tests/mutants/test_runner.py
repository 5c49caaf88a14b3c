"""The runner itself: it sees a bug that a test sees, reports one that no test sees, and reads every kind of place a bug can be in."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

from tests.mutants import __main__, operators, project, report

TOY = '''"""A toy."""

from collections.abc import Callable
from functools import lru_cache

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


def _maker(factor: int) -> Callable[[int], int]:
    def made(count: int) -> int:
        return count * factor
    return made


double = _maker(2)


@lru_cache
def cached(name: str) -> int:
    return LIMITS[name] * 2
'''
TESTS = '''"""Tests that know `a`, and its limit from one side only."""

import tempfile

import pytest

import toy


def test_a():
    tempfile.mkdtemp()
    assert toy.allowed("a", 2) is True
    assert toy.allowed("a", 4) is False
    with pytest.raises(KeyError, match="c"):
        toy.allowed("c", 0)


def test_made_at_import():
    assert toy.double(3) == 6


def test_cached_first():
    assert toy.cached("a") > 0


def test_cached_again():
    assert toy.cached("a") == 6


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
    assert said["_maker.made", "return count * factor → return None"] == "killed"  # although the function was made before the bug was planted
    assert said["cached", "2 → 3"] == "killed"  # by the second test that asks, although the first one filled the cache
    assert (root / "toy.py").read_text() == TOY
    assert {path.name for path in tmp_path.iterdir()} == {"tree", "plan.json", "pytest.log", "results.jsonl"}  # of what tests left nothing is left
    row = report.table({"toy.py": {"bugs": found["results"]}}).splitlines()[2]
    killed, survived = (list(said.values()).count(status) for status in ("killed", "survived"))
    assert row.startswith(f"| `toy.py` | {killed + survived} | {killed} | 0 | {survived} | 0 | {100 * killed / (killed + survived):.1f} %")
    assert report.verdict({"toy.py": {"bugs": found["results"]}}) == 1


def test_what_was_said_of_a_bug_stands_while_its_function_does(tmp_path: Path) -> None:
    """Another function, a moved line or a comment changes nothing; another text of the function makes its bugs unknown again."""
    (tmp_path / "toy.py").write_text(TOY)
    old = {"toy.py": {"bugs": [{**bug, "status": "killed", "by": "t", "at": "then", "budget": 1.0} for bug in __main__._said(tmp_path, ["toy.py"], {}).values()]}}
    changed = TOY.replace("return count <=", "# why\n    return count <=").replace("name in LIMITS", "name in {*LIMITS}").replace('"b": 5', '"b": 6')
    (tmp_path / "toy.py").write_text('"""Longer."""\n\n' + changed)
    said = {(bug["where"], bug["change"]): bug for bug in __main__._said(tmp_path, ["toy.py"], old).values()}
    assert said["allowed", "raise KeyError(name) → pass"]["status"] == "killed"
    assert said["allowed", "raise KeyError(name) → pass"]["line"] == 18
    assert {bug["status"] for (where, _), bug in said.items() if where == "_kept"} == {"not run"}
    assert (said["module", "3 → 4"]["status"], said["module", "2 → 3"]["status"]) == ("not run", "killed")
    assert {bug["status"] for (where, _), bug in said.items() if where == "never_called"} == {"killed"}


def test_every_bug_is_a_change_with_a_name_of_its_own() -> None:
    """On a real module: each planted tree differs from the module, compiles or is told apart, and no two share a key."""
    source = (project.ROOT / "gateway/machine/signing.py").read_text(encoding="utf-8")
    plain = ast.dump(ast.parse(source))
    keys = [mutant.key for mutant, _ in operators.mutants(source, "signing.py")]
    assert len(keys) == len(set(keys)) > 250
    for index in range(0, len(keys), 9):
        mutant, planted = operators.mutants(source, "signing.py")[index]
        assert ast.dump(planted()) != plain, mutant.key


def test_every_verdict_says_why() -> None:
    """What a person wrote about a survivor is in the table's form and says that nothing changes, or what would."""
    assert all(words.startswith(("equivalent: ", "left: ")) for words in report.verdicts().values())
