"""Status: one answer for the strip on every page, `qianfa status`, `/readyz` and the metrics."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gateway import __version__
from gateway.enforcer.parts import Parts
from gateway.machine.state import PublicationState


def status(parts: Parts) -> dict[str, Any]:
    """Return the enforcer's state: `ok`, `sealed` or `degraded`, the queue by state, and the log's head."""
    runner, state = parts.runner, parts.runner.state
    active = [state.publications[identifier] for identifier in state.active]
    queue = Counter(publication.state.value for publication in active)
    waiting = [publication.not_before for publication in active if publication.state is PublicationState.HELD]
    lacking = runner.reserve.lacking
    word = "sealed" if runner.sealed else "degraded" if runner.broken is not None or runner.clock.behind or lacking else "ok"
    note = parts.last_checkpoint()
    return {
        "state": word, "since": parts.sealed_since, "by": parts.sealed_by, "queue": dict(queue), "earliest": min(waiting, default=None),
        "in_review": len(state.waits), "freezes": len(state.freezes), "version": __version__, "isolated": state.isolated,
        "kind": state.kind, "clock_behind": runner.clock.behind, "disk_low": bool(lacking), "disk": lacking,
        "log": {"size": state.size, "origin": note[0], "root": note[1]},
    }
