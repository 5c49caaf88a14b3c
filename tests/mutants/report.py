"""docs/mutants.md: the figures of each module, and a word on each bug that no test saw."""

from __future__ import annotations

import hashlib
import platform
import tomllib
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from tests.mutants.project import ROOT

GOAL = 90.0
PAGE = ROOT / "docs/mutants.md"
_INTRODUCTION = """\
`make mutants` copies the tree, plants one small bug at a time into the modules below, and runs the tests of that part of the tree that
execute the changed line, until one fails. A bug that no test notices is a survivor. Bugs: a comparison turned round or moved at its
boundary; `and` for `or` and each operand lost; a condition turned round; a constant changed or emptied; arithmetic; a result lost; a
refusal, call or assignment left out; each element of each set, list, table and dictionary left out. Decorators, annotations and asserts
are left alone. Only the tests next to a module count: what the enforcer's, the log's or the acceptance tests would see as well is not asked."""
SEEN = ("killed", "timeout")


def verdicts() -> dict[str, str]:
    """Return what a person wrote about survivors, by the key of the bug."""
    pages = tomllib.loads((ROOT / "tests/mutants/verdicts.toml").read_text(encoding="utf-8"))
    return {f"{path}::{where}::{change}": words
            for path, places in pages.items() for where, changes in places.items() for change, words in changes.items()}


def found_before() -> set[str]:
    """Return the keys of bugs that an earlier run found unseen, and for which tests were written then."""
    return set((ROOT / "tests/mutants/found.txt").read_text(encoding="utf-8").splitlines())


def _count(bugs: list[dict[str, Any]], *statuses: str) -> int:
    return sum(bug["status"] in statuses for bug in bugs)


def rate(bugs: list[dict[str, Any]]) -> float:
    """Return the share of valid bugs that a test saw, in percent; equivalent ones count as missed."""
    valid = _count(bugs, *SEEN, "survived")
    return 100.0 * _count(bugs, *SEEN) / valid if valid else 100.0


def table(modules: dict[str, Any]) -> str:
    """Return one row for each module, and one for all."""
    rows = ["| module | bugs | killed | timeouts | survived | of these equivalent | kill rate | not run |", "|---|---:|---:|---:|---:|---:|---:|---:|"]
    every = [bug for module in modules.values() for bug in module["bugs"]]
    for name, bugs in [*((f"`{path}`", module["bugs"]) for path, module in sorted(modules.items())), ("**all**", every)]:
        if valid := _count(bugs, *SEEN, "survived"):
            counts = (valid, _count(bugs, "killed"), _count(bugs, "timeout"), _count(bugs, "survived"), len(_judged(bugs, "equivalent: ")))
            rows.append(f"| {name} | {' | '.join(map(str, counts))} | {rate(bugs):.1f} % | {_count(bugs, 'not run')} |")
    return "\n".join(rows)


def _judged(bugs: list[dict[str, Any]], verdict: str) -> list[dict[str, Any]]:
    words = verdicts()
    return [bug for bug in bugs if bug["status"] == "survived" and words.get(bug["key"], "open: ").startswith(verdict)]


def _survivors(modules: dict[str, Any]) -> list[dict[str, Any]]:
    found = [bug for module in modules.values() for bug in module["bugs"] if bug["status"] == "survived"]
    return sorted(found, key=lambda bug: (bug["path"], bug["line"], bug["index"]))


def open_survivors(modules: dict[str, Any]) -> str:
    """Return the survivors that nobody has judged, one a line."""
    judged = verdicts()
    return "\n".join(f"{bug['path']}:{bug['line']} [{bug['where']}] {bug['change']}  {bug['by']}"
                     for bug in _survivors(modules) if bug["key"] not in judged)


def verdict(modules: dict[str, Any]) -> int:
    """Return the exit status: 0 where every module reaches the goal."""
    return int(any(rate(module["bugs"]) < GOAL for module in modules.values()))


def write(modules: dict[str, Any]) -> None:
    """Write the page."""
    judged = verdicts()
    survivors = _survivors(modules)
    now_seen = [bug for module in modules.values() for bug in module["bugs"] if bug["key"] in found_before() and bug["status"] in SEEN]
    failing = sorted({test for module in modules.values() for test in module["failing"]})
    tools = ", ".join(f"{name} {version(name)}" for name in ("pytest", "hypothesis", "coverage"))
    every = [bug for module in modules.values() for bug in module["bugs"] if bug["at"] and bug["status"] != "not run"]
    dates = sorted({bug["at"] for bug in every})
    lines = [
        "# Planted bugs", "",
        f"Written by `make mutants` on {datetime.now(UTC):%Y-%m-%d} (measured {dates[0]} to {dates[-1]} UTC; Python {platform.python_version()}, {tools}).",
        "", _INTRODUCTION, "", table(modules), "",
        f"Goal: {GOAL:.0f} % in each module. A timeout counts as seen: the bug made a test run without end.", "",
    ]
    budgets = [f"{budget:g}" for budget in sorted({bug["budget"] for bug in every})]
    share = {word: len(_judged(every, word)) for word in ("equivalent: ", "left: ", "open: ")}
    unrun = sum(_count(module["bugs"], "not run") for module in modules.values())
    lines += [
        (f"{_count(every, *SEEN, 'survived')} bugs were run and {unrun} were not. Of {sum(share.values())} that no test saw, {share['equivalent: ']} change nothing "
         f"that anybody could see, {share['left: ']} are left with a reason, and {share['open: ']} are open. The kill rate counts equivalent ones as missed."), "",
        (f"Each bug was given the likeliest tests up to a budget of processor seconds as coverage counts them ({', '.join(budgets)}) and the committed "
         "vectors: a longer budget can only find more. What was said of a bug stands while the text of its function is the same. `not run` are bugs that "
         "the time for the run did not reach: bugs inside functions go first, those in what runs at import cost a collection each. What survived a first "
         "look was followed by tests and run again; what was not run had no such look, so a lower rate is to be expected there."), "",
    ]
    if changed := [path for path, module in sorted(modules.items()) if hashlib.sha256((ROOT / path).read_bytes()).hexdigest() != module["sha256"]]:
        lines += ["Changed after they were measured: " + ", ".join(f"`{path}`" for path in changed) + ".", ""]
    if failing:
        lines += ["Not used, because they fail without any planted bug: " + ", ".join(f"`{test}`" for test in failing) + ".", ""]
    lines += ["## Bugs that no test saw", "", "| where | change | verdict |", "|---|---|---|"]
    lines += [_row(bug, judged.get(bug["key"], "open: " + (bug["by"] or "none of the tests that it was given within the budget saw it"))) for bug in survivors]
    there = {bug["key"] for module in modules.values() for bug in module["bugs"]}
    if gone := sorted(set(judged) - there):
        lines += ["", "Verdicts on code that is no longer there: " + ", ".join(f"`{key}`" for key in gone) + "."]
    lines += ["", "## Found by an earlier run, and seen now", "", "| where | change | seen by |", "|---|---|---|"]
    lines += [_row(bug, f"`{bug['by'].split('::', 1)[-1]}`") for bug in sorted(now_seen, key=lambda bug: (bug["path"], bug["line"]))]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(bug: dict[str, Any], words: str) -> str:
    change = bug["change"].replace("|", "\\|").replace("`", "'")
    return f"| {bug['path']}:{bug['line']} {bug['where']} | `{change}` | {words} |"
