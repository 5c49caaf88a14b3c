"""One contract, every connector: WeChat and Weibo on the sandbox, WordPress on a real one."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from datetime import timedelta
from typing import Any

import pytest

from gateway.connectors.base import (
    Absent,
    Gone,
    Live,
    Operation,
    Outcome,
    PlatformRefused,
    Previous,
    ReadBackDiffers,
    Rejected,
    Settled,
    Template,
    Undecided,
    Unknown,
)


async def test_render_is_deterministic_and_its_bytes_parse_back(bench: Any) -> None:
    """Two connectors render one content to the same bytes, and those bytes are the template again."""
    content = bench.content()
    one, two = bench.template(bench.make(), content), bench.template(bench.make(), content)
    assert one.to_bytes() == two.to_bytes()
    assert Template.parse(one.to_bytes()) == one
    assert bench.relay.seen == []
    assert all(slot.digest in {item.digest for item in one.media} for slot in one.slots())


async def test_a_changed_content_changes_the_template(bench: Any) -> None:
    """One other character in the body gives another digest."""
    connector = bench.make()
    digests = {bench.template(connector, bench.content(words)).digest() for words in ("换管。", "换管！")}
    assert len(digests) == 2


async def test_prepare_twice_makes_nothing_twice(bench: Any) -> None:
    """A second preparation with the first one's handles gives the same handles and leaves as much behind."""
    connector = bench.fresh()
    template = bench.template(connector, bench.content())
    first = await bench.prepare(connector, template)
    left = bench.leftovers()
    second = await bench.prepare(connector, template)
    assert (second.handles, second.filled, second.snapshot) == (first.handles, first.filled, first.snapshot)
    assert bench.leftovers() == left
    assert bench.public().count(template.fields.get("title", ("",))[0]) == 0


def test_a_connector_sends_what_it_renders(bench: Any) -> None:
    """Its own version is among those whose templates it sends, and is the one that its templates name."""
    connector = bench.make()
    assert bench.template(connector, bench.content()).connector == connector.version
    assert connector.version in connector.sends


async def test_what_prepares_nothing_only_reads(bench: Any) -> None:
    """A connector that says it prepares nothing has made no handle and no writing call before the one call; one that prepares has."""
    connector = bench.fresh()
    template = bench.template(connector, bench.content())
    bench.relay.reset()
    await bench.prepare(connector, template)
    wrote = any(method == "POST" for method, _path in bench.relay.seen)
    assert connector.prepares(Operation.PUBLISH) == bool(bench.saved) == wrote
    assert connector.prepares(Operation.WITHDRAW)


async def test_publish_observe_withdraw(bench: Any) -> None:
    """What was prepared goes live as approved, is seen as such, and can be withdrawn."""
    connector = bench.fresh()
    before = len(bench.public())
    template, prepared, live = await bench.publish(connector, bench.content())
    assert len(bench.public()) == before + 1
    assert live.id
    assert live.url.startswith("http")
    assert await connector.observe(bench.call(), template, live, prepared)
    gone = await bench.withdraw(connector, live, template)
    assert gone.id == live.id
    assert len(bench.public()) == before
    assert not await connector.observe(bench.call(), template, live, prepared)


async def test_a_content_without_body_pictures_goes_live(bench: Any) -> None:
    """Pictures in the body are not needed."""
    connector = bench.fresh()
    template, prepared, live = await bench.publish(connector, bench.content(pictures=False))
    assert await connector.observe(bench.call(), template, live, prepared)


async def test_observe_notices_a_later_edit_by_hand(bench: Any) -> None:
    """Somebody changes the live text in the back office: observe says so."""
    connector = bench.fresh()
    template, prepared, live = await bench.publish(connector, bench.content())
    bench.edit_live(live)
    assert not await connector.observe(bench.call(), template, live, prepared)


async def test_a_draft_edited_by_hand_is_noticed_before_the_send(bench: Any) -> None:
    """Somebody changes the draft after the preparation: the re-read differs from the snapshot."""
    connector = bench.fresh()
    template = bench.template(connector, bench.content())
    prepared = await bench.prepare(connector, template)
    if bench.edit_draft is None:
        assert await connector.reread(bench.call(), template, prepared) == prepared.snapshot
        return
    bench.edit_draft(prepared)
    assert await connector.reread(bench.call(), template, prepared) != prepared.snapshot


async def test_a_draft_altered_while_it_is_prepared_is_refused(bench: Any) -> None:
    """Somebody changes the draft between writing and reading back: the preparation names the field."""
    connector = bench.fresh()
    template = bench.template(connector, bench.content())
    if bench.during_prepare is None:
        assert (await bench.prepare(connector, template)).filled
        return
    bench.relay.hook = bench.during_prepare()
    with pytest.raises(ReadBackDiffers) as caught:
        await bench.prepare(connector, template)
    assert caught.value.where in {"content", "text"}


async def _count(bench: Any) -> tuple[int, int, int]:
    """Return how many requests a preparation, a re-read and a commit take with a fresh connector."""
    connector = bench.fresh()
    template = bench.template(connector, bench.content())
    bench.relay.reset()
    prepared = await bench.prepare(connector, template)
    preparing = len(bench.relay.seen)
    await connector.reread(bench.call(), template, prepared)
    reading = len(bench.relay.seen)
    outcome = await connector.commit(bench.call(), template, prepared)
    total = len(bench.relay.seen)
    assert isinstance(await bench.settle(connector, outcome), Live)
    return preparing, reading, total


async def _made(bench: Any) -> int:
    """Return how many things an undisturbed preparation makes on the platform."""
    connector = bench.fresh()
    left = bench.leftovers()
    await bench.prepare(connector, bench.template(connector, bench.content()))
    return int(bench.leftovers() - left)


@pytest.mark.parametrize("fate", ["before", "after"])
async def test_losing_any_one_request_or_answer_never_publishes_twice(bench: Any, fate: str) -> None:
    """Each outward call in turn is lost: a preparation is repeated, a commit is Unknown and is settled by reading."""
    preparing, reading, total = await _count(bench)
    assert total == reading + 1, "the commit is one call"
    made = await _made(bench)
    for number in range(1, total + 1):
        connector = bench.fresh()
        template = bench.template(connector, bench.content())
        before, left = len(bench.public()), bench.leftovers()
        bench.relay.reset(plan={number: fate})
        if number <= preparing:
            with pytest.raises(PlatformRefused) as caught:
                await bench.prepare(connector, template)
            assert caught.value.transient, (number, bench.relay.seen)
        prepared = await bench.prepare(connector, template)
        assert bench.leftovers() - left == made, f"request {number} was lost and its work was done twice"
        if preparing < number <= reading:
            with pytest.raises(PlatformRefused):
                await connector.reread(bench.call(), template, prepared)
        assert await connector.reread(bench.call(), template, prepared) == prepared.snapshot
        dispatched = bench.clock.now()
        if number > reading:
            bench.relay.reset(plan={1: fate})
        outcome = await connector.commit(bench.call(), template, prepared)
        if number <= reading:
            assert isinstance(await bench.settle(connector, outcome), Live)
            assert len(bench.public()) == before + 1, bench.relay.seen
            continue
        assert isinstance(outcome, Unknown)
        settled = await _settled(bench, connector, template, prepared, dispatched)
        if fate == "after":
            assert isinstance(settled, Live)
        else:
            assert settled == Undecided(reason="not_listed", again_after=None) if bench.never_absent else isinstance(settled, Absent)
        assert len(bench.public()) == before + (fate == "after")


async def _settled(bench: Any, connector: Any, template: Template, prepared: Any, dispatched: Any) -> Settled:
    """Reconcile as often as the connector asks for, at the times it asks for."""
    settled: Settled = Undecided(reason="", again_after=0.0)
    for _ in range(8):
        settled = await connector.reconcile(bench.call(), template, prepared, dispatched)
        if not isinstance(settled, Undecided) or settled.again_after is None:
            break
        bench.clock.advance(settled.again_after + 1)
    return settled


async def test_a_lost_withdrawal_is_settled_by_reading(bench: Any) -> None:
    """The answer to a withdrawal is lost: Unknown, then Gone; a request that never arrived: Unknown, then Absent."""
    connector = bench.fresh()
    template, _, live = await bench.publish(connector, bench.content())
    previous = Previous(id=live.id, url=live.url, digest=template.digest())
    gone = bench.template(connector, None, Operation.WITHDRAW, previous)
    for fate, kind in (("before", Absent), ("after", Gone)):
        bench.saved = {}
        prepared = await bench.prepare(connector, gone)
        dispatched = bench.clock.now()
        bench.relay.reset(plan={1: fate})
        assert isinstance(await connector.commit(bench.call(), gone, prepared), Unknown)
        assert isinstance(await _settled(bench, connector, gone, prepared, dispatched), kind)


async def test_a_refused_connection_is_a_definite_no(bench: Any) -> None:
    """Nobody listens: no byte left, so the commit is Rejected and nothing is public."""
    connector = bench.fresh()
    template = bench.template(connector, bench.content())
    prepared = await bench.prepare(connector, template)
    before = len(bench.public())
    await bench.relay.stop()
    outcome = await connector.commit(bench.call(), template, prepared)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "not_sent"
    assert len(bench.public()) == before


async def test_a_commit_without_its_preparation_sends_nothing(bench: Any) -> None:
    """Handles that were lost end in a definite no and not in an exception or a half-filled request."""
    connector = bench.fresh()
    template = bench.template(connector, bench.content())
    prepared = dataclasses.replace(await bench.prepare(connector, template), handles={})
    bench.relay.reset()
    outcome = await (bench.make() if bench.name == "weibo" else connector).commit(bench.call(), template, prepared)
    assert isinstance(outcome, Rejected)
    assert bench.relay.seen == []


@pytest.mark.parametrize("operation", list(Operation))
async def test_reading_back_without_handles_is_undecided_and_touches_nothing(bench: Any, operation: Operation) -> None:
    """A send whose handles were lost (restored from a backup) is left to people or settled, never raises, never deletes, never sends."""
    connector = bench.fresh()
    if operation not in connector.operations:
        return
    template, whole, live = await bench.publish(connector, bench.content())
    if operation is not Operation.PUBLISH:
        content = bench.content("换了一句。") if operation is Operation.EDIT else None
        template = bench.template(connector, content, operation, Previous(id=live.id, url=live.url, digest=template.digest()))
    public, left = bench.public(), bench.leftovers()
    for handles in ({}, {"name": "qf-0"}, {key: value for key, value in whole.handles.items() if ":" not in key}, {**whole.handles, "post": "1 OR 1"}):
        bench.relay.reset()
        prepared = dataclasses.replace(whole, handles=handles)
        settled = await _settled(bench, connector, template, prepared, bench.clock.now() - timedelta(hours=1))
        assert isinstance(settled, Undecided | Absent if operation is Operation.WITHDRAW else Undecided | Live), settled
        if operation is not Operation.WITHDRAW and bench.name == "wechat" and "draft" not in handles:
            assert settled == Undecided(reason="handles_missing", again_after=None)
            assert bench.relay.seen == []
        if bench.name == "wordpress" and operation is Operation.PUBLISH and not handles:
            assert settled == Undecided(reason="handles_missing", again_after=None)
    assert (bench.public(), bench.leftovers()) == (public, left)


async def test_looking_without_handles_says_nothing_about_what_is_shown(bench: Any) -> None:
    """Where a handle to compare with is missing, observe and re-read refuse in words and do not call the page altered."""
    connector = bench.fresh()
    template, whole, live = await bench.publish(connector, bench.content())
    prepared = dataclasses.replace(whole, handles={})
    if bench.name == "weibo":  # nothing is prepared there, so nothing can be missing
        assert await connector.observe(bench.call(), template, live, prepared)
        return
    for look in (connector.observe(bench.call(), template, live, prepared), connector.reread(bench.call(), template, prepared)):
        with pytest.raises(PlatformRefused) as caught:
            await look
        assert (caught.value.code, caught.value.transient) == ("handles_missing", False)
        assert "两人" in caught.value.zh
        assert caught.value.en
    await bench.withdraw(connector, live, template)
    assert not await connector.observe(bench.call(), template, live, prepared)


@pytest.mark.parametrize("fate", ["none", "before", "after"])
async def test_abandon_leaves_nothing_behind(bench: Any, fate: str) -> None:
    """Whatever a preparation made, also where its answer was lost, is gone after abandon."""
    preparing, _, _ = await _count(bench)
    for number in range(1, preparing + 1) if fate != "none" else [0]:
        before = bench.leftovers()
        connector = bench.fresh()
        template = bench.template(connector, bench.content())
        bench.relay.reset(plan={number: fate})
        try:
            await bench.prepare(connector, template)
        except PlatformRefused:
            assert fate != "none"
        await connector.abandon(bench.call(), dict(bench.saved))
        assert bench.leftovers() == before, (number, bench.relay.seen)


async def test_abandon_never_touches_what_is_public(bench: Any) -> None:
    """An abandon that comes too late, after the send, deletes no public thing."""
    connector = bench.fresh()
    template, prepared, live = await bench.publish(connector, bench.content(pictures=False))
    public = bench.public()
    await connector.abandon(bench.call(), prepared.handles)
    assert bench.public() == public
    assert await connector.observe(bench.call(), template, live, prepared)


async def test_operations_that_are_not_offered_are_refused_at_render(bench: Any) -> None:
    """Render refuses an operation that the connector does not list, with words that say what to do."""
    connector = bench.make()
    previous = Previous(id="1", url="http://127.0.0.1/1", digest=bench.template(connector, bench.content()).digest())
    for operation in set(Operation) - connector.operations:
        with pytest.raises(PlatformRefused) as caught:
            bench.template(connector, bench.content(), operation, previous)
        assert "撤稿后重发" in caught.value.zh
        assert caught.value.en
    with pytest.raises(PlatformRefused):
        bench.template(connector, None, Operation.WITHDRAW, None)
    with pytest.raises(PlatformRefused):
        bench.template(connector, None, Operation.PUBLISH, None)


async def test_the_credential_is_in_no_error_outcome_or_log(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Every call is lost in turn; no exception, chain, outcome, handle or log record holds the credential or the token."""
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []
    preparing, reading, _ = await _count(bench)
    for fate in ("before", "after"):
        for number in range(1, reading + 2):
            connector = bench.fresh()
            template = bench.template(connector, bench.content())
            bench.relay.reset(plan={number: fate})
            try:
                prepared = await bench.prepare(connector, template)
                await connector.reread(bench.call(), template, prepared)
                outcome: Outcome = await connector.commit(bench.call(), template, prepared)
                seen.append(repr((outcome, prepared)))
            except PlatformRefused as error:
                seen += ["".join(traceback.format_exception(error)), repr(error), error.zh, error.en, repr(_chain(error))]
            seen += [repr(connector), repr(vars(connector)), repr(bench.saved)]
    wrong = dict.fromkeys(bench.credential, "CANARY0CANARY0CANARY0XYZ")
    for step in await bench.make().probe(bench.call(credential=wrong)):
        seen.append(repr(step))
    everything = "\n".join([*seen, *(repr(record.__dict__) for record in caplog.records)])
    for canary in (*bench.canaries(), "CANARY0"):
        assert canary not in everything
    assert preparing


def _chain(error: BaseException | None) -> list[str]:
    found = []
    while error is not None:
        found.append(f"{error!r} {error.args!r}")
        error = error.__cause__ or error.__context__
    return found


async def test_probe_works_and_leaves_nothing(bench: Any) -> None:
    """A good credential passes every step; nothing is public, nothing is left."""
    public, left = bench.public(), bench.leftovers()
    steps = await bench.make().probe(bench.call())
    assert len(steps) >= 3
    assert all(step.ok and step.zh and step.en for step in steps), steps
    assert (bench.public(), bench.leftovers()) == (public, left)


async def test_probe_says_what_is_wrong_with_a_credential(bench: Any) -> None:
    """A wrong secret fails a named step, in plain words of both languages."""
    wrong = bench.credential | {key: "A" * 24 for key in ("secret", "access_token", "application_password") if key in bench.credential}
    steps = await bench.make().probe(bench.call(credential=wrong))
    assert not steps[-1].ok
    assert "凭据" in steps[-1].zh
    assert steps[-1].en


async def test_probe_without_a_network(bench: Any) -> None:
    """An unreachable platform is one failed step, not an exception."""
    await bench.relay.stop()
    steps = await bench.make().probe(bench.call())
    assert [step.ok for step in steps] == [False]


async def test_credentials_are_parsed_to_what_calls_hold(bench: Any) -> None:
    """The intake's bytes are the canonical form of the credential; a missing field is named."""
    import json

    connector = bench.make()
    assert json.loads(connector.parse_credential(bench.credential)) == bench.credential
    for item in connector.credential_fields:
        assert item.zh
        assert item.en
        with pytest.raises(ValueError) as caught:
            connector.parse_credential({key: value for key, value in bench.credential.items() if key != item.key})
        assert str(caught.value) == item.key
    assert any(item.secret for item in connector.credential_fields)


async def test_reconcile_without_a_network_is_undecided(bench: Any) -> None:
    """What cannot be read is not settled."""
    connector = bench.fresh()
    template = bench.template(connector, bench.content())
    prepared = await bench.prepare(connector, template)
    await bench.relay.stop()
    settled = await connector.reconcile(bench.call(), template, prepared, bench.clock.now() - timedelta(hours=2))
    assert isinstance(settled, Undecided)
    assert settled.again_after
