"""Governed publish beside a bare reverse proxy: the same platform process, the same load driver, in turns."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.processes import ROOT, Child, child

BODY = 4096
IN_FLIGHT = 32


def drive(port: int, connections: list[list[str]], body: int) -> dict[str, float]:
    """Run one load driver to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", str(port)], cwd=ROOT, input=json.dumps({"connections": connections, "body": body}) + "\n",
        capture_output=True, text=True, check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def counted(platform: int) -> int:
    """Return how many publications the platform took so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{platform}/count", timeout=10) as answer:
        return int(json.loads(answer.read())["publish"])


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used so far (proc(5), utime and stime)."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


class Sides:
    """Platform, proxy and gate, each running."""

    def __init__(self, platform: int, proxy: Child, gate: Child) -> None:
        self.platform, self.proxy, self.gate = platform, proxy, gate
        self.proxy_port, self.gate_port = int(proxy.line()), int(gate.line())

    def through_proxy(self, calls: int, in_flight: int) -> dict[str, float]:
        """Send `calls` requests through the proxy."""
        before = cpu_seconds(self.proxy.process.pid)
        figures = drive(self.proxy_port, [["/publish"] * (calls // in_flight)] * in_flight, BODY)
        figures["server_cpu_us"] = (cpu_seconds(self.proxy.process.pid) - before) / (calls // in_flight * in_flight) * 1e6
        return figures

    def release(self, calls: int, in_flight: int) -> list[list[str]]:
        """Have `calls` publications submitted, approved and released; return their ids, for each connection."""
        released: list[list[str]] = self.gate.ask({"mint": calls})
        return released if in_flight > 1 else [[identifier for turn in zip(*released, strict=True) for identifier in turn]]

    def turn(self, calls: int, in_flight: int) -> tuple[dict[str, float], dict[str, float]]:
        """Send `calls` through the gate, and as long through the proxy, half of it before and half after: a machine's speed drifts in seconds."""
        paths = self.release(calls, in_flight)
        before = self.through_proxy(calls * 2, in_flight)
        gate = self.through_gate(paths)
        after = self.through_proxy(calls * 2, in_flight)
        proxy = {name: (before[name] + after[name]) / 2 for name in before}
        return {**proxy, "rate": 2 / (1 / before["rate"] + 1 / after["rate"])}, gate

    def through_gate(self, paths: list[list[str]], profile: str = "") -> dict[str, float]:
        """Send released publications through the gate; the platform's count must be theirs."""
        before, cpu = counted(self.platform), cpu_seconds(self.gate.process.pid)
        if profile:
            self.gate.ask({"profile": profile})
        figures = drive(self.gate_port, paths, 0)
        if profile:
            self.gate.ask({"profile": profile})
        figures["server_cpu_us"] = (cpu_seconds(self.gate.process.pid) - cpu) / sum(map(len, paths)) * 1e6
        if (sent := counted(self.platform) - before) != sum(map(len, paths)):
            raise RuntimeError(f"{sum(map(len, paths))} publications were live, the platform counted {sent}")
        return figures


def measure(work: Path, *, rounds: int, calls: int, single: int, tick: Callable[[], None] = lambda: None, profile: str = "") -> dict[str, Any]:
    """Return medians of both sides at 32 and at 1 in flight."""
    log = work / "publish.log"
    with tempfile.TemporaryDirectory(dir=work) as folder, child("platform", log=log) as platform:
        port = int(platform.line())
        url = f"http://127.0.0.1:{port}"
        with child("platform", "--proxy", url, log=log) as proxy, child("gate_side", folder, url, log=log) as gate:
            sides = Sides(port, proxy, gate)
            sides.through_proxy(IN_FLIGHT * 4, IN_FLIGHT)  # once before it counts
            sides.through_gate(sides.release(IN_FLIGHT * 2, IN_FLIGHT))
            if profile:
                sides.through_gate(sides.release(calls, IN_FLIGHT), profile)
            turns, alone = [], []
            for _ in range(rounds):
                turns.append(sides.turn(calls, IN_FLIGHT))
                alone.append(sides.turn(single, 1))
                tick()
    return {"many": turns, "one": alone}


def figures(result: dict[str, Any]) -> dict[str, float]:
    """Return the rows' values."""
    many = result["many"]
    added = {name: {figure: median(turns, 1, figure) - median(turns, 0, figure) for figure in ("p50", "p99")} for name, turns in result.items()}
    return {
        "publish_ratio": statistics.median(gate["rate"] / proxy["rate"] for proxy, gate in many),
        "publish_cpu_ratio": statistics.median(proxy["server_cpu_us"] / gate["server_cpu_us"] for proxy, gate in many),
        "publish_added_p50_32": added["many"]["p50"], "publish_added_p99_32": added["many"]["p99"],
        "publish_added_p50_1": added["one"]["p50"], "publish_added_p99_1": added["one"]["p99"],
    }


def median(turns: list[tuple[dict[str, float], dict[str, float]]], side: int, name: str) -> float:
    """Return the median over rounds of one figure of one side."""
    return statistics.median(turn[side][name] for turn in turns)
