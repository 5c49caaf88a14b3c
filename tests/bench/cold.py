"""Cold start of `serve` to ready, and the memory of both processes when nothing happens; as root under two users, as in an installation."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.config import Listen
from gateway.demo.backdrop import free_ports
from tests.bench.processes import ROOT
from tests.gateway.enforcer.house import found_house

WAIT_SECONDS = 120.0
IDLE_SECONDS = 2.0
FACES = ("enforcer", "desk")


def pss_kib(pid: int) -> int:
    """Return a process's proportional set size (proc(5), smaps_rollup): shared pages count by their share."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1])


def measure(work: Path) -> dict[str, float]:
    """Serve a founded deployment once: seconds to ready, and each process's memory after a moment of rest.

    Raises:
        RuntimeError: it was not ready in time, or as root the two processes run under one user.
    """
    with tempfile.TemporaryDirectory(prefix="qf-", dir="/var/tmp") as name, (work / "cold.log").open("ab") as log:
        folder = Path(name)
        folder.chmod(0o755)  # closed to other users it would be served under one
        ports = {name: Listen(port=port) for name, port in zip(("desk", "counter", "counter_inside"), free_ports(3), strict=True)}
        found_house(folder, **ports)
        started = time.perf_counter()
        serving = subprocess.Popen([sys.executable, "-m", "gateway", "serve", "--config", str(folder / "data" / "qianfa.toml")], cwd=ROOT,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            for face in FACES:
                _ready(folder / "run" / "ready" / face / "pid", serving)
            seconds = time.perf_counter() - started
            time.sleep(IDLE_SECONDS)
            pids = children(serving.pid)
            users = {Path(f"/proc/{pid}").stat().st_uid for pid in pids}
            if os.getuid() == 0 and (len(users) != len(FACES) or 0 in users):
                raise RuntimeError(f"the processes run as {users}; see cold.log")
            return {"seconds": seconds, **{f"{face}_kib": pss_kib(pid) for face, pid in zip(FACES, pids, strict=True)}}
        finally:
            serving.terminate()
            serving.wait(timeout=60)


def children(pid: int) -> list[int]:
    """Return the processes that `pid` started, the oldest first: the enforcer, then the desk."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            values = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(values[1]) == pid:
            found.append((int(values[19]), int(stat.parent.name)))
    return [child for _, child in sorted(found)]


def _ready(mark: Path, serving: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end and serving.poll() is None:
        if mark.exists() and mark.read_text().strip():
            return
        time.sleep(0.005)
    raise RuntimeError(f"{mark} did not come; see cold.log")


def figures(turns: list[dict[str, float]]) -> dict[str, float]:
    """Return the rows' values."""
    return {
        "serve_ready_seconds": statistics.median(turn["seconds"] for turn in turns),
        "enforcer_idle_memory": statistics.median(turn["enforcer_kib"] for turn in turns) / 1024,
        "desk_idle_memory": statistics.median(turn["desk_kib"] for turn in turns) / 1024,
    }
