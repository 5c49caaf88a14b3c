"""Health and metrics over the wire: what a monitor can parse, and nothing that says who or what."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from gateway.enforcer.metrics import init_metrics
from gateway.enforcer.reserve import Reserve
from gateway.machine.state import PublicationState
from gateway.protocol.denials import CATALOGUE, Denied
from tests.gateway.enforcer.conftest import CANARY
from tests.gateway.enforcer.house import House, article


@pytest.fixture
async def monitor(hand: House) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Return a client of the metrics listener of a house with something in every number."""
    await hand.release(await hand.submit(article(title="绝密标题", cover=hand.cover()), "news"))
    waits = await hand.submit(article(title="另一篇", cover=hand.cover()), "news")
    with pytest.raises(Denied):
        await hand.sign("lu", waits, "approve")
    async with TestClient(TestServer(init_metrics(hand.parts))) as client:
        yield client


async def samples(monitor: TestClient[web.Request, web.Application]) -> dict[tuple[str, str], float]:
    """Return every sample by its name and label value."""
    answer = await monitor.get("/metrics")
    assert answer.status == 200
    assert answer.content_type == "text/plain"
    families = list(text_string_to_metric_families(await answer.text()))
    assert all(family.documentation and family.type in {"gauge", "counter"} for family in families)
    return {(sample.name, next(iter(sample.labels.values()), "")): sample.value for family in families for sample in family.samples}


async def test_the_numbers_are_the_states(hand: House, monitor: TestClient[web.Request, web.Application]) -> None:
    """Prometheus parses it; entries, queue by every state, submissions in review and denials are what the state says."""
    found = await samples(monitor)
    assert found["qianfa_log_entries", ""] == hand.state.size
    assert found["qianfa_submissions_in_review", ""] == 1
    assert {label for name, label in found if name == "qianfa_publications"} == {state.value for state in PublicationState}
    assert found["qianfa_publications", "held"] == 1
    assert {label for name, label in found if name == "qianfa_denied_total"} <= set(CATALOGUE)
    assert sum(value for (name, _), value in found.items() if name == "qianfa_denied_total") == 1
    for name in ("qianfa_sealed", "qianfa_disk_low", "qianfa_clock_behind", "qianfa_freezes"):
        assert found[name, ""] == 0
    assert (await monitor.get("/readyz")).status == 200


async def test_it_says_no_id_no_name_no_words_and_no_secret(hand: House, monitor: TestClient[web.Request, web.Application]) -> None:
    """Whoever reads the monitor learns numbers: no id, person, title, channel, address, digest or credential, on any path."""
    for path in ("/metrics", "/readyz", "/healthz"):
        answer = await monitor.get(path)
        said = await answer.text() + str(dict(answer.headers))
        assert not re.search(r"\b(?:sub|pub|per|ch|unit|ref|sig|tok|apt|dep)[_-][a-z0-9]", said)
        assert not re.search(r"[0-9a-f]{32}|sha256|http://", said)
        for word in ("绝密标题", "顾长庚", "board1", "news", CANARY, "counter.localhost", str(hand.folder)):
            assert word not in said, word


async def test_what_keeps_it_from_sending_shows(hand: House, monitor: TestClient[web.Request, web.Application]) -> None:
    """A full disk, a clock behind, a sealed vault: not ready, with the state and the number; alive all the time."""
    hand.runner.reserve = Reserve(hand.runner.parts.store, hand.runner.parts.copies.path, free=lambda _folder: 0)
    assert (await samples(monitor))["qianfa_disk_low", ""] == 1
    answer = await monitor.get("/readyz")
    assert (answer.status, (await answer.json())["state"], (await answer.json())["disk"]) == (503, "degraded", "log")
    hand.runner.reserve = Reserve(hand.runner.parts.store, hand.runner.parts.copies.path, free=lambda _folder: 1 << 40)
    await hand.lifecycle.seal("test")
    assert (await samples(monitor))["qianfa_sealed", ""] == 1
    answer = await monitor.get("/readyz")
    assert (answer.status, (await answer.json())["state"]) == (503, "sealed")
    assert (await monitor.get("/healthz")).status == 200
    for path in ("/", "/metrics/", "/v1/status"):
        assert (await monitor.get(path)).status == 404
    assert (await monitor.post("/metrics")).status == 405
