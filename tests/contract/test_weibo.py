"""What is Weibo's own: one call with the picture in it, 20032, duplicates, the timeline, the right account."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.connectors.base import Live, PlatformRefused, Rejected, Undecided, Unknown


async def _ready(bench: Any, **changes: Any) -> tuple[Any, Any, Any]:
    connector = bench.fresh()
    template = bench.template(connector, bench.content(**changes))
    return connector, template, await bench.prepare(connector, template)


async def test_the_one_call_carries_text_picture_and_address(weibo_bench: Any) -> None:
    """statuses/share has the approved words, the releaser's address, and the picture's bytes."""
    connector = weibo_bench.fresh()
    template, _, live = await weibo_bench.publish(connector, weibo_bench.content())
    post = weibo_bench.platform.state.posts[live.id]
    assert post.text == template.fields["status"][0]
    assert post.rip == "203.0.113.9"
    assert weibo_bench.platform.storage.get(post.picture) == weibo_bench.pictures[template.media[0].digest]
    assert [record.endpoint for record in weibo_bench.platform.ledger.calls()] == ["account/get_uid", "statuses/share"]


async def test_20032_is_unknown_and_then_found(weibo_bench: Any) -> None:
    """Success with an error code: never sent again, found in the timeline."""
    connector, template, prepared = await _ready(weibo_bench)
    weibo_bench.platform.faults.fail_after("statuses/share", code=20032)
    at = weibo_bench.clock.now()
    assert await connector.commit(weibo_bench.call(), template, prepared) == Unknown(cause="error_code:20032")
    assert isinstance(await connector.reconcile(weibo_bench.call(), template, prepared, at), Undecided)
    weibo_bench.clock.advance(151)
    assert isinstance(await connector.reconcile(weibo_bench.call(), template, prepared, at), Live)
    assert len(weibo_bench.platform.ledger.effects("statuses/share")) == 1
    assert len(weibo_bench.platform.ledger.calls("statuses/user_timeline")) == 1


async def test_a_repetition_is_rejected_with_words(weibo_bench: Any) -> None:
    """The same words twice: Weibo says no, people are told to look first."""
    connector = weibo_bench.fresh()
    content = weibo_bench.content()
    template, prepared, _ = await weibo_bench.publish(connector, content)
    outcome = await connector.commit(weibo_bench.call(), template, prepared)
    assert isinstance(outcome, Rejected)
    assert outcome.code in {"20017", "20019"}
    assert "核对" in outcome.zh


@pytest.mark.parametrize("code", [20012, 20016, 20021, 10017, 10023, 10024, 21327, 21332, 20031])
async def test_definite_codes_are_rejected(weibo_bench: Any, code: int) -> None:
    """Business errors of the share call are a definite no."""
    connector, template, prepared = await _ready(weibo_bench)
    weibo_bench.platform.faults.refuse("statuses/share", code)
    outcome = await connector.commit(weibo_bench.call(), template, prepared)
    assert isinstance(outcome, Rejected)
    assert outcome.code == str(code)
    assert weibo_bench.public() == []


@pytest.mark.parametrize("code", [10001, 10009, 77777])
async def test_system_faults_are_unknown(weibo_bench: Any, code: int) -> None:
    """A system error or an unknown code leaves it open."""
    connector, template, prepared = await _ready(weibo_bench)
    weibo_bench.platform.faults.refuse("statuses/share", code)
    assert await connector.commit(weibo_bench.call(), template, prepared) == Unknown(cause=f"error_code:{code}")


@pytest.mark.parametrize("how", ["drop", "reset", "500", "502", "503", "malformed", "truncated"])
async def test_a_spoilt_answer_is_unknown(weibo_bench: Any, how: str) -> None:
    """Whatever spoils the answer, it is not sent again."""
    connector, template, prepared = await _ready(weibo_bench)
    weibo_bench.platform.faults.fail_after("statuses/share", how)
    assert isinstance(await connector.commit(weibo_bench.call(), template, prepared), Unknown)
    assert len(weibo_bench.platform.ledger.calls("statuses/share")) == 1


async def test_absence_is_never_proven(weibo_bench: Any) -> None:
    """Not listed after an hour: people decide; the reads stay few."""
    connector, template, prepared = await _ready(weibo_bench)
    at = weibo_bench.clock.now()
    reads = 0
    settled: Any = Undecided(reason="", again_after=0.0)
    while settled.again_after is not None:
        settled = await connector.reconcile(weibo_bench.call(), template, prepared, at)
        weibo_bench.clock.advance((settled.again_after or 0) + 1)
        reads += 1
    assert settled == Undecided(reason="not_listed", again_after=None)
    assert len(weibo_bench.platform.ledger.calls("statuses/user_timeline")) <= 4


async def test_a_post_by_hand_with_the_same_words_is_not_ours(weibo_bench: Any) -> None:
    """The timeline is matched by the app, too."""
    connector, template, prepared = await _ready(weibo_bench, pictures=False)
    at = weibo_bench.clock.now()
    weibo_bench.platform.publish_by_hand(template.fields["status"][0])
    weibo_bench.clock.advance(200)
    assert isinstance(await connector.reconcile(weibo_bench.call(), template, prepared, at), Undecided)


async def test_a_token_of_another_account_sends_nothing(weibo_bench: Any) -> None:
    """The credential's uid is compared with whose token it is, once for each credential version."""
    other = weibo_bench.platform.add_user(screen_name="别人")
    wrong = weibo_bench.credential | {"access_token": weibo_bench.platform.issue_token(other.uid)}
    connector = weibo_bench.fresh()
    template = weibo_bench.template(connector, weibo_bench.content())
    with pytest.raises(PlatformRefused, match="wrong_account"):
        await connector.prepare(weibo_bench.call(credential=wrong), template, weibo_bench.load, {}, weibo_bench.save)


async def test_what_is_missing_sends_nothing(weibo_bench: Any) -> None:
    """Without the releaser's address, or without the picture at hand, no call is made."""
    connector, template, prepared = await _ready(weibo_bench)
    for outcome in (await connector.commit(weibo_bench.call(rip=""), template, prepared),
                    await weibo_bench.make().commit(weibo_bench.call(), template, prepared)):
        assert isinstance(outcome, Rejected)
    assert weibo_bench.platform.ledger.calls("statuses/share") == ()


def test_what_weibo_never_takes_is_refused_at_render(weibo_bench: Any) -> None:
    """Too long, without a link on a safe domain, with a topic: refused with the checks' own words."""
    import dataclasses

    connector = weibo_bench.make()
    good = weibo_bench.content(pictures=False)
    for body, links, code in (
        ("<p>" + "字" * 150 + "</p>", good.links, "weibo_too_long"), ("<p>没有链接</p>", (), "weibo_link_missing"),
        ("<p>#话题#</p>", (), "weibo_topic"),
    ):
        linked = body.replace("</p>", f'<a href="{links[0]}">详情</a></p>') if links else body
        with pytest.raises(PlatformRefused) as caught:
            weibo_bench.template(connector, dataclasses.replace(good, body=linked, links=links))
        assert caught.value.code == code
        assert caught.value.zh.startswith("微博")
