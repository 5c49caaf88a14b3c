"""Health and metrics: `/healthz` (the process lives), `/readyz` (it may send), `/metrics` (Prometheus text). No content, no names."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from gateway.enforcer.parts import Parts
from gateway.enforcer.status import status
from gateway.machine.state import PublicationState

PARTS: Final = web.AppKey("parts", Parts)


def init_metrics(parts: Parts) -> web.Application:
    """Return the application for the metrics listener."""
    app = web.Application()
    app[PARTS] = parts
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", _metrics)])
    return app


async def healthz(_request: web.Request) -> web.Response:
    """Answer that the process lives."""
    return web.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """Answer 200 where the enforcer may send, else 503 with the state."""
    found = status(request.app[PARTS])
    return web.json_response({"state": found["state"], "queue": found["queue"], "disk": found["disk"]}, status=200 if found["state"] == "ok" else 503)


async def _metrics(request: web.Request) -> web.Response:
    parts = request.app[PARTS]
    found = status(parts)
    registry = CollectorRegistry()
    Gauge("qianfa_log_entries", "Entries in the log.", registry=registry).set(found["log"]["size"])
    Gauge("qianfa_sealed", "1 while the vault is sealed.", registry=registry).set(found["state"] == "sealed")
    Gauge("qianfa_submissions_in_review", "Submissions that wait for somebody.", registry=registry).set(found["in_review"])
    Gauge("qianfa_disk_low", "1 while the disk of the log or of its copy has no room for ordinary commands, or does not answer.", registry=registry).set(found["disk_low"])
    Gauge("qianfa_clock_behind", "1 while the clock is behind the log.", registry=registry).set(found["clock_behind"])
    Gauge("qianfa_freezes", "Freezes in force.", registry=registry).set(found["freezes"])
    queue = Gauge("qianfa_publications", "Open publications by state.", ["state"], registry=registry)
    for state in PublicationState:
        queue.labels(state.value).set(found["queue"].get(state.value, 0))
    tries = Counter("qianfa_denied", "Denials by code since the last hourly count.", ["code"], registry=registry)
    for code, count in parts.runner.counts.items():
        tries.labels(code).inc(count)
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
