"""The last run's table in `docs/benchmarks.md`, between two marks."""

from __future__ import annotations

from typing import Any, Final

from tests.bench.processes import ROOT
from tests.bench.rows import CATALOGUE

PAGE: Final = ROOT / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- last run: begin -->"
END: Final = "<!-- last run: end -->"


def lines(run: dict[str, Any]) -> list[str]:
    """Return the Markdown of a run."""
    machine = run["machine"]
    found = {one["name"]: one for one in run["rows"]}
    shown = [
        (f"Run of {machine['at']}: {machine['cores']} cores ({machine['processor'] or 'unnamed'}), {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, Python {machine['python']}; load average {machine['load_before']} before and {machine['load_after']} after."),
        "", "| Row | Value | Unit | Goal | |", "|---|---:|---|---|---|",
    ]
    for kind in CATALOGUE:
        one = found.get(kind.name)
        if one is None:
            shown.append(f"| `{kind.name}` | not measured | {kind.unit} | | |")
            continue
        verdict = {True: "met", False: "missed", None: ""}[one["met"]]
        goal = one["goal"].replace("<=", "≤").replace(">=", "≥")
        shown.append(f"| `{kind.name}` | {one['value']:,.3g} | {one['unit']} | {goal} | {verdict} |")
    return shown


def write_docs(run: dict[str, Any]) -> None:
    """Put a run's table into the page."""
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(head + BEGIN + "\n\n" + "\n".join(lines(run)) + "\n\n" + END + tail)
