"""What is measured: the catalogue of rows with their goals, the values, and how they are shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from rich.table import Table

Sense = Literal["at least", "at most", "report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One row of the catalogue: its group, name, unit, and the goal with its sense; `report` has none."""

    group: str
    name: str
    unit: str
    sense: Sense = "report"
    goal: float | None = None
    means: str


CATALOGUE: Final = (
    Kind(group="publish", name="publish_ratio", unit="ratio", sense="at least", goal=0.25,
         means="governed publishes a second / the same POSTs a second through a bare aiohttp proxy, 32 in flight"),
    Kind(group="publish", name="publish_cpu_ratio", unit="ratio",
         means="processor time of the proxy for one request / of the enforcer for one publish; the same comparison without waiting"),
    Kind(group="publish", name="publish_added_p50_32", unit="ms", means="latency a publish has more than a proxied POST, median, 32 in flight"),
    Kind(group="publish", name="publish_added_p99_32", unit="ms", means="the same, 99th percentile"),
    Kind(group="publish", name="publish_added_p50_1", unit="ms", means="latency a publish has more than a proxied POST, median, 1 in flight"),
    Kind(group="publish", name="publish_added_p99_1", unit="ms", means="the same, 99th percentile"),
    Kind(group="append", name="append_ratio", unit="ratio", sense="at least", goal=5.0,
         means="durable, checkpointed entries a second with 64 writers / one-row fsynced inserts of raw sqlite3"),
    Kind(group="append", name="append_p99", unit="ms", means="how long one of the 64 writers waits for its entry, 99th percentile"),
    Kind(group="token", name="token_ratio", unit="ratio", sense="at most", goal=2.5,
         means="verifying a token of 1.2 kB, parsing included / one bare Ed25519 verification of the same bytes"),
    Kind(group="log", name="verify_ratio", unit="ratio", sense="at most", goal=6.0,
         means="verifying a log of 1,000,000 entries with every signature / sha256sum of the same bytes"),
    Kind(group="log", name="verify_memory", unit="MB", sense="at most", goal=300.0, means="peak memory of the verifying process"),
    Kind(group="log", name="start_seconds", unit="s", sense="at most", goal=10.0,
         means="the enforcer's start with 1,000,000 entries: hash all, compare with the copy, replay"),
    Kind(group="log", name="start_cpu_seconds", unit="s",
         means="processor time of the slower of that start's two processes: what it takes where two cores are idle"),
    Kind(group="log", name="start_cpu_both", unit="s", means="processor time of both together"),
    Kind(group="log", name="start_ratio", unit="ratio", means="the same start / sha256sum of the same bytes"),
    Kind(group="log", name="start_memory", unit="MB", means="peak memory of that start, both processes"),
    Kind(group="pages", name="todo_p95_ratio", unit="ratio", sense="at most", goal=1.5,
         means="the desk's to-do page at 100,000 drafts / at 1,000, 95th percentile"),
    Kind(group="pages", name="review_p95_ratio", unit="ratio", sense="at most", goal=1.5,
         means="the counter's review page at 100,000 submissions / at 1,000, 95th percentile"),
    Kind(group="cold", name="serve_ready_seconds", unit="s", means="`serve` of a founded deployment to both processes ready, vault opened by its key file"),
    Kind(group="cold", name="enforcer_idle_memory", unit="MB", means="proportional memory (PSS) of the idle enforcer process"),
    Kind(group="cold", name="desk_idle_memory", unit="MB", means="proportional memory (PSS) of the idle desk process"),
)
GROUPS: Final = tuple(dict.fromkeys(kind.group for kind in CATALOGUE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured value; `goal` is text such as `>= 0.25`, empty for a report."""

    name: str
    value: float
    goal: str
    unit: str
    met: bool | None


def row(name: str, value: float) -> Row:
    """Return the row of a value in the catalogue."""
    kind = next(kind for kind in CATALOGUE if kind.name == name)
    if kind.goal is None:
        return Row(name=name, value=round(value, 4), goal="", unit=kind.unit, met=None)
    above = kind.sense == "at least"
    met = value >= kind.goal if above else value <= kind.goal
    return Row(name=name, value=round(value, 4), goal=f"{'>=' if above else '<='} {kind.goal:g}", unit=kind.unit, met=met)


def as_json(rows: list[Row], machine: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    """Return what `build/bench.json` holds."""
    return {"rows": [asdict(one) for one in rows], "machine": machine, "details": details}


def bar(one: Row, width: int = 12) -> str:
    """Return a bar of how far a value is towards its goal: full means met, for a lower-is-better goal as well."""
    kind = next(kind for kind in CATALOGUE if kind.name == one.name)
    if kind.goal is None or one.value <= 0:
        return ""
    share = one.value / kind.goal if kind.sense == "at least" else kind.goal / one.value
    full = round(min(1.0, share) * width)
    return "█" * full + "░" * (width - full)


def table(rows: list[Row]) -> Table:
    """Return the table for the terminal."""
    shown = Table(title="Benchmarks", title_justify="left")
    for heading, justify in (("row", "left"), ("value", "right"), ("unit", "left"), ("goal", "left"), ("towards it", "left"), ("", "left")):
        shown.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for one in rows:
        verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[one.met]
        shown.add_row(one.name, f"{one.value:,.3g}" if one.value < 1000 else f"{one.value:,.0f}", one.unit, one.goal, bar(one), verdict)
    return shown
