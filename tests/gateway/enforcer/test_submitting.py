"""Submitting: a desk that lies is refused, what could be refused is said before, and a repeat gets the same answer."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from typing import Any

import pytest

from gateway import canonical
from gateway.content import Content, Media
from gateway.enforcer import worker as worker_module
from gateway.enforcer.worker import Worker, WorkerFailed
from gateway.protocol.commands import Change
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from gateway.protocol.requests import PreflightRequest, SubmitRequest
from tests.gateway.enforcer.house import FACTS, House, article
from tests.gateway.enforcer.scripted import Scripted


def request(house: House, content: str | None, *targets: dict[str, Any], **over: Any) -> SubmitRequest:
    """Return what the desk hands in."""
    return SubmitRequest.model_validate({
        "command": f"command-{next(house.count):04d}", "draft": "draft1", "source": "desk", "content": content,
        "facts": {**{k: v for k, v in FACTS.items() if k != "found"}, **over.pop("facts", {})},
        "targets": list(targets) or [{"channel": house.channels["news"], "operation": "publish"}], **over})


def preflight(asked: SubmitRequest) -> PreflightRequest:
    """Return the same as a question."""
    return PreflightRequest.model_validate(asked.model_dump(include=set(PreflightRequest.model_fields)))


async def obstacles(house: House, asked: SubmitRequest, lang: str = "zh") -> dict[str, dict[str, Any]]:
    """Return the obstacles that a preflight names, by code."""
    found = await house.parts.submitting.preflight(house.people["lu"], preflight(asked), lang)
    assert found["ok"] == (not found["obstacles"] and not any(f["grade"] == "block" for f in found["findings"]))
    return {obstacle["code"]: obstacle for obstacle in found["obstacles"]}


async def denied(house: House, asked: SubmitRequest) -> Denied:
    """Submit and return why it was refused; nothing may have become of it."""
    before = len(house.entries(EntryType.SUBMISSION_MADE))
    with pytest.raises(Denied) as why:
        await house.parts.submitting.submit(house.people["lu"], asked)
    assert len(house.entries(EntryType.SUBMISSION_MADE)) == before
    return why.value


def good(house: House) -> str:
    """Store a good content and return its digest."""
    return house.put_content(article(cover=house.cover()))


async def test_what_is_handed_in_comes_back_with_templates_and_findings(hand: House) -> None:
    """A good submission is an entry whose template and findings are stored blobs."""
    done = await hand.parts.submitting.submit(hand.people["lu"], request(hand, good(hand), message="请尽快"))
    data = next(entry.data for entry in done.entries if entry.type == EntryType.SUBMISSION_MADE)
    assert hand.runner.blobs.has(data["targets"][0]["template"])
    assert b'"findings"' in hand.runner.blobs.get(data["findings"]["blob"])
    assert hand.parts.values.text(data["message"]) == "请尽快"


async def test_a_repeat_gets_the_same_answer_even_after_the_channel_changed(hand: House) -> None:
    """Same id and body: same answer, though the channel is no longer filed; another body or person: refused; sealed: 503."""
    asked = request(hand, good(hand))
    first = await hand.parts.submitting.submit(hand.people["lu"], asked)
    await hand.change(Change(type=EntryType.CHANNEL_CHANGED, object=hand.channels["news"], data={"filing": "suspended"}))
    again = await hand.parts.submitting.submit(hand.people["lu"], asked)
    assert (again.seq, again.object, again.entries) == (first.seq, first.object, ())
    assert (await denied(hand, asked.model_copy(update={"draft": "draft2"}))).code == "command_reused"
    with pytest.raises(Denied) as why:
        await hand.parts.submitting.submit(hand.people["gu"], asked)
    assert why.value.code == "command_reused"
    await hand.lifecycle.seal("admin")
    with pytest.raises(Denied) as why:
        await hand.parts.submitting.submit(hand.people["lu"], asked)
    assert why.value.code == "vault_sealed"


async def test_two_repeats_at_once_are_one_submission(hand: House) -> None:
    """Ten tries of one command at the same time make one entry."""
    asked = request(hand, good(hand))
    done = await asyncio.gather(*(hand.parts.submitting.submit(hand.people["lu"], asked) for _ in range(10)))
    assert len({one.object for one in done}) == 1
    assert len(hand.entries(EntryType.SUBMISSION_MADE)) == 1


def _raw(**over: Any) -> bytes:
    return canonical.encode({**article().manifest(), **over})


@pytest.mark.parametrize("data", [
    b"{}", b"not json", _raw() + b" ", _raw(body="<p onclick='x'>a</p>"), _raw(body="<script>a</script>"), _raw(body="<P>a</P>"),
    _raw(body="<p>e\u0301</p>"), _raw(body="<p>\u202ea</p>"), _raw(body="<p>" * 100 + "a" + "</p>" * 100), _raw(title="长" * 65),
    _raw(extra=1), _raw(v=2), _raw(body='<p><img src="https://evil.example/x.png"></p>'),
])
async def test_content_that_is_not_in_normal_form_is_refused(hand: House, data: bytes) -> None:
    """Whatever the desk says was cleaned is recognised again here: scripts, twins, bidi controls, nesting, keys, spelling."""
    assert (await denied(hand, request(hand, hand.runner.blobs.put(data)))).code == "invalid"


async def test_a_digest_without_a_blob_and_an_altered_blob_are_refused(hand: House) -> None:
    """The content named must be there and hash to its name."""
    assert (await denied(hand, request(hand, "sha256:" + "0" * 64))).code == "invalid"
    digest = good(hand)
    path = hand.runner.blobs._path(digest)
    path.write_bytes(path.read_bytes().replace("秋收".encode(), "春耕".encode()))
    assert (await denied(hand, request(hand, digest))).code == "invalid"


def _with_cover(data: bytes, kind: str, length: int | None = None, house: House | None = None) -> Content:
    digest = house.runner.blobs.put(data) if house is not None else canonical.sha256(data)
    return article(cover=Media(role="cover", type=kind, length=len(data) if length is None else length, sha256=digest, width=9, height=9, alt=""))


@pytest.mark.parametrize(("data", "kind", "length", "stored"), [
    (b"\x89PNG\r\n\x1a\n....", "image/png", None, False),
    (b"\x89PNG\r\n\x1a\n....", "image/png", 11, True),
    (b"<svg onload='x'/>", "image/png", None, True),
    (b"\x89PNG\r\n\x1a\n....", "image/jpeg", None, True),
    (b"MZ not a gif", "image/gif", None, True),
])
async def test_pictures_must_be_there_be_of_their_length_and_of_their_type(
    hand: House, data: bytes, kind: str, length: int | None, stored: bool,
) -> None:
    """Missing, of another length, a script in a picture's clothes, one type under another's name: refused."""
    content = _with_cover(data, kind, length, hand if stored else None)
    assert (await denied(hand, request(hand, hand.put_content(content)))).code == "invalid"


async def test_unknown_channels_and_mixed_operations_are_refused(hand: House) -> None:
    """A channel that is not there, a withdrawal together with a publication, a content where none belongs, an edit of nothing."""
    digest, news = good(hand), hand.channels["news"]
    unknown = {"channel": "ch_nowhere0000", "operation": "publish"}
    publish, withdraw = {"channel": news, "operation": "publish"}, {"channel": news, "operation": "withdraw", "previous": "pub_nothing00"}
    assert (await denied(hand, request(hand, digest, unknown))).code == "channel_unknown"
    assert (await denied(hand, request(hand, digest, publish, withdraw))).code == "invalid"
    assert (await denied(hand, request(hand, digest, withdraw))).code == "invalid"
    assert (await denied(hand, request(hand, None, publish))).code == "invalid"
    assert (await denied(hand, request(hand, None, withdraw))).code == "previous_changed"
    assert (await denied(hand, request(hand, digest, publish, publish))).code == "invalid"
    assert [str(e.data["code"]) for e in hand.entries(EntryType.REFUSED)] == ["channel_unknown", "previous_changed"]


async def test_a_withdrawal_is_handed_in_without_content(hand: House, scripted: Scripted) -> None:
    """What is live is withdrawn under the ordinary route's facts."""
    live = (await hand.release(await hand.submit(article(cover=hand.cover()), "news")))[0]
    await hand.parts.gate.send(live)
    asked = request(hand, None, {"channel": hand.channels["news"], "operation": "withdraw", "previous": live})
    assert await obstacles(hand, asked) == {}
    done = await hand.parts.submitting.submit(hand.people["lu"], asked)
    gone = (await hand.release(done.object))[0]
    await hand.parts.gate.send(gone)
    assert scripted.board == {}


async def test_preflight_names_every_obstacle_with_words_and_people(hand: House) -> None:
    """No head, not filed, no credential: all three at once, each with what, why, next; in both languages; and nothing is kept."""
    channel = hand.channels["news"]
    size = hand.state.size
    assert await obstacles(hand, request(hand, good(hand))) == {}
    assert hand.state.size == size
    await hand.change(Change(type=EntryType.CREDENTIAL_RETIRED, object=channel, data={"version": 1}), first="fang")
    await hand.change(Change(type=EntryType.CHANNEL_CHANGED, object=channel, data={"filing": "suspended"}))
    await hand.change(Change(type=EntryType.APPOINTMENT_ENDED, object="apt_gu000000", data={"end": hand.runner.now()}))
    for lang in ("zh", "en"):
        found = await obstacles(hand, request(hand, good(hand)), lang)
        assert {"channel_unfiled", "credential_missing", "stage_vacant"} <= set(found)
        for obstacle in found.values():
            assert obstacle["title"]
            assert obstacle["next"]
            assert obstacle["lang"] == lang
    assert found["credential_missing"]["ask"]


async def test_preflight_knows_a_full_quota_and_the_submission_says_the_same_words(hand: House) -> None:
    """A quota used up today is said today, and not for tomorrow."""
    channel = hand.state.channels[hand.channels["news"]]
    from gateway.protocol import instants

    now = hand.runner.now()
    channel.sent = {instants.office_day(now): 100}
    assert set(await obstacles(hand, request(hand, good(hand)))) == {"quota_exhausted"}
    tomorrow = instants.plus(now, 86_400)
    assert await obstacles(hand, request(hand, good(hand), scheduled=tomorrow)) == {}


async def test_preflight_shows_the_route_its_people_and_blocking_findings(hand: House) -> None:
    """Route and people stand there by name; a title that is missing blocks, and the submission is refused for it."""
    found = await hand.parts.submitting.preflight(hand.people["lu"], preflight(request(hand, good(hand))), "zh")
    assert [stage["kind"] for stage in found["route"]] == ["approve", "release"]
    assert found["route"][0]["people"][0]["name"] == "顾长庚"
    assert found["quotas"] == [{"channel": hand.channels["news"], "used": 0, "limit": 100}]
    untitled = hand.put_content(article(title="", cover=hand.cover()))
    found = await hand.parts.submitting.preflight(hand.people["lu"], preflight(request(hand, untitled)), "zh")
    assert any(finding["grade"] == "block" for finding in found["findings"])
    assert not found["ok"]
    assert (await denied(hand, request(hand, untitled))).code == "blocking_findings"


# ---- the worker


def slow(seconds: float) -> str:
    """Sleep longer than anyone waits."""
    time.sleep(seconds)
    return "done"


def hang(*_arguments: object) -> None:
    """Stand in for checks over content that nobody foresaw."""
    time.sleep(60)


def die() -> None:
    """End without an answer."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    """Raise."""
    raise ValueError("canary")


def odd() -> object:
    """Return what is no JSON."""
    return object()


def core_limit() -> list[int]:
    """A job that tells how large a core dump of its process may be."""
    return list(resource.getrlimit(resource.RLIMIT_CORE))


def double(number: int) -> list[int]:
    """Return a JSON value."""
    return [number, number]


async def test_checks_that_hang_die_or_fail_count_as_not_passed(hand: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker past its deadline means refused, in words, and an obstacle in the preflight; the keeper goes on."""
    worker, hasty = Worker(deadline=30), Worker(deadline=0.3)
    try:
        for job, keeper in ((slow, hasty), (die, worker), (fail, worker), (odd, worker)):
            with pytest.raises(WorkerFailed) as error:
                await keeper.run(job, *([60] if job is slow else []))
            assert "canary" not in str(error.value)
        pid = worker._keeper.pid
        assert await worker.run(double, 2) == [2, 2]
        assert worker._keeper.pid == pid
        assert hasty._keeper.is_alive()
        monkeypatch.setattr(hand.parts.submitting, "_worker", hasty)
        monkeypatch.setattr("gateway.enforcer.submitting.check_content", hang)
        assert (await denied(hand, request(hand, good(hand)))).code == "blocking_findings"
    finally:
        worker.close()
        hasty.close()


async def test_a_keeper_that_was_killed_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first job after it fails, the next one works; where it could only be forked with keys in memory it stays ended."""
    worker = Worker(deadline=30)
    try:
        assert await worker.run(double, 1) == [1, 1]
        os.kill(worker._keeper.pid, signal.SIGKILL)
        worker._keeper.join()
        with pytest.raises(WorkerFailed):
            await worker.run(double, 1)
        assert await worker.run(double, 1) == [1, 1]
        worker.close()
        monkeypatch.setattr(worker, "_again", False)
        with pytest.raises(WorkerFailed):
            await worker.run(double, 1)
    finally:
        worker.close()


async def test_no_job_leaves_a_core_dump() -> None:
    """What is read here is not public yet; a process that hostile content brings down leaves nothing of it on a disk."""
    worker = Worker()
    try:
        assert await worker.run(core_limit) == [0, 0]
    finally:
        worker.close()


def test_the_keeper_ends_with_its_wire() -> None:
    """A keeper whose enforcer is gone ends by itself."""
    worker = Worker()
    worker.start()
    keeper = worker._keeper
    worker.close()
    assert keeper.exitcode is not None
    assert worker_module.ANSWER_LIMIT > 1 << 20
