"""Governed publish beside a bare reverse proxy: the same platform process, the same load driver, in turns."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import urllib.request
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


class Sides:
    """Platform, proxy and gate, each running."""

    def __init__(self, platform: int, proxy: int, gate: Child, gate_port: int) -> None:
        self.platform, self.proxy, self.gate, self.gate_port = platform, proxy, gate, gate_port

    def through_proxy(self, calls: int, in_flight: int) -> dict[str, float]:
        """Send `calls` requests through the proxy."""
        return drive(self.proxy, [["/publish"] * (calls // in_flight)] * in_flight, BODY)

    def through_gate(self, calls: int, in_flight: int, profile: str = "") -> dict[str, float]:
        """Send `calls` publications through the gate, none twice; the platform's count must say so."""
        released: list[list[str]] = self.gate.ask({"mint": calls})
        paths = released if in_flight > 1 else [[identifier for turn in zip(*released, strict=True) for identifier in turn]]
        before, cpu = counted(self.platform), self.gate.ask({})["cpu"]
        if profile:
            self.gate.ask({"profile": profile})
        figures = drive(self.gate_port, paths, 0)
        if profile:
            self.gate.ask({"profile": profile})
        figures["server_cpu_us"] = (self.gate.ask({})["cpu"] - cpu) / sum(map(len, paths)) * 1e6
        if (sent := counted(self.platform) - before) != sum(map(len, paths)):
            raise RuntimeError(f"{sum(map(len, paths))} publications were live, the platform counted {sent}")
        return figures


def measure(work: Path, *, rounds: int, calls: int, single: int, profile: str = "") -> dict[str, Any]:
    """Return medians of both sides at 32 and at 1 in flight."""
    log = work / "publish.log"
    with tempfile.TemporaryDirectory(dir=work) as folder, child("platform", log=log) as platform:
        port = int(platform.line())
        url = f"http://127.0.0.1:{port}"
        with child("platform", "--proxy", url, log=log) as proxy, child("gate_side", folder, url, log=log) as gate:
            sides = Sides(port, int(proxy.line()), gate, int(gate.line()))
            sides.through_proxy(calls // 4, IN_FLIGHT)  # once before it counts
            sides.through_gate(calls // 4, IN_FLIGHT)
            if profile:
                sides.through_gate(calls, IN_FLIGHT, profile)
            turns = [(sides.through_proxy(calls * 2, IN_FLIGHT), sides.through_gate(calls, IN_FLIGHT)) for _ in range(rounds)]
            alone = [(sides.through_proxy(single * 2, 1), sides.through_gate(single, 1)) for _ in range(rounds)]
    return {"many": turns, "one": alone}


def median(turns: list[tuple[dict[str, float], dict[str, float]]], side: int, name: str) -> float:
    """Return the median over rounds of one figure of one side."""
    return statistics.median(turn[side][name] for turn in turns)


if __name__ == "__main__":
    (ROOT / "build/bench").mkdir(parents=True, exist_ok=True)
    result = measure(ROOT / "build/bench", rounds=int(sys.argv[1]), calls=int(sys.argv[2]), single=64, profile=sys.argv[3] if sys.argv[3:] else "")
    for name, turns in result.items():
        print(name, {k: round(median(turns, 0, k), 3) for k in ("rate", "p50", "p99", "cpu")},
              {k: round(median(turns, 1, k), 3) for k in ("rate", "p50", "p99", "cpu", "server_cpu_us")})
    many = result["many"]
    print("ratios", [round(g["rate"] / p["rate"], 3) for p, g in many], "median", statistics.median(g["rate"] / p["rate"] for p, g in many))
