"""What changes around a submission, through the pages: blackout days by two, and steps that a new table asks for."""

from __future__ import annotations

import pytest

from gateway.enforcer.counter import outside
from gateway.machine.policy import RULES, Rule
from gateway.machine.state import Office, PublicationState
from gateway.protocol import instants
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.counter.kit import Front
from tests.gateway.enforcer.counter.test_changes import confirm, propose
from tests.gateway.enforcer.counter.test_pages import submitted
from tests.gateway.enforcer.test_gate_waits import blackout

STRICTER = (*RULES, Rule("R14", "level:company", (("approve", ((Office.BRAND_PR_HEAD, "group"),)),), "", ""))
DAYS = {"kind": "blackout", "over": "all:", "days": "mourning", "reason": "国家公祭日"}


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_blackout_days_are_set_and_lifted_by_two(front: Front, lang: str) -> None:
    """One proposes whole days, the other sees them in words and confirms; every page that matters shows them; two lift them."""
    await front.arm("he", "xu")
    house, front_day = front.house, instants.office_day(instants.plus(front.house.runner.now(), 86_400))
    submission = await submitted(front)
    await propose(front, "he", {**DAYS, "end_day": front_day, "over": f"channel:{house.channels['news']}"})
    assert not house.state.blackouts
    other = front.signed_in("xu", inside=True, lang=lang)
    await other.get("/i/changes")
    for words in ("国家公祭日", "哀悼日" if lang == "zh" else "day of mourning", "news", "渠道" if lang == "zh" else "channel"):
        assert words in other.text, words
    await confirm(front, "xu")
    days = next(iter(house.state.blackouts.values()))
    assert (days.scope, days.target, days.kind, house.parts.values.text(days.reason)) == ("channel", house.channels["news"], "mourning", "国家公祭日")
    assert instants.office_day(instants.plus(days.end, -1)) == front_day
    assert days.end.endswith("T16:00:00.000Z")  # midnight in the company's zone
    for path in ("/s/stops", "/i/changes", f"/s/item/{submission}"):
        assert (await other.get(path)).status == 200, path
    await other.get("/s/stops")
    assert f"/i/changes?kind=lift&amp;about={days.id}" in other.text
    head = front.signed_in("gu", lang=lang)
    await head.get(f"/s/item/{submission}")
    assert ("静默期内，放行后最早" if lang == "zh" else "it goes out at") in head.text
    await propose(front, "he", {"kind": "lift", "blackout": days.id})
    await front.signed_in("xu", inside=True).get("/i/changes")
    await confirm(front, "xu")
    assert not house.state.blackouts


async def test_what_the_form_must_say(front: Front) -> None:
    """Without a last day, with one that is over, for a scope that does not exist, or by somebody who does not govern: nothing is proposed."""
    await front.arm("he")
    browser = front.signed_in("he", inside=True)
    for fields in ({}, {"end_day": "2020-01-01"}, {"end_day": "2099-12-31", "over": "channel:ch_none"}, {"end_day": "2099-12-31", "days": "feast"},
                   {"end_day": "2099-12-31", "start_day": "2100-01-02"}, {"end_day": "soon"}):
        assert (await browser.post("/i/changes/propose", {**DAYS, **fields})).status in {400, 409}, fields
    head = front.signed_in("gu", inside=True)
    assert (await head.post("/i/changes/propose", {**DAYS, "end_day": "2099-12-31"})).status == 403
    assert not front.house.state.proposals
    await browser.post("/i/changes/propose", {**DAYS, "start_day": "2099-12-30", "end_day": "2099-12-31"})
    await browser.prove("he")
    data = next(iter(front.house.state.proposals.values())).changes[0]["data"]
    assert (data["start"], data["end"]) == ("2099-12-29T16:00:00.000Z", "2099-12-31T16:00:00.000Z")


async def test_a_release_that_meets_a_new_table(front: Front) -> None:
    """The page says that nothing went out and why; the added step stands in its holder's queue with rule and article; then it is released."""
    await front.arm("fang2")
    house, submission = front.house, await submitted(front)
    head, brand, chief = front.signed_in("gu"), front.signed_in("fang"), front.signed_in("fang2")
    await head.sign("gu", submission)
    house.runner.rules = STRICTER
    answer = await brand.sign("fang", submission)
    assert answer.status == 303, brand.text[:2000]
    await brand.get(answer.headers["Location"])
    assert "流程按现行制度补了步骤，待补签后重新放行" in brand.text
    assert house.state.active == set()
    await chief.get("/s/")
    assert f"/s/item/{submission}" in chief.text
    await chief.get(f"/s/item/{submission}")
    for words in ("流程按现行制度补步骤", "补：品牌公关部负责人同意", "R14", "第十四条"):
        assert words in chief.text, words
    assert "先前的签发令作废" not in chief.text
    assert (await chief.sign("fang2", submission)).status == 303
    assert (await brand.sign("fang", submission)).status == 303
    publication = house.state.submissions[submission].targets[0].publication
    assert publication is not None
    assert house.publication_state(publication) is PublicationState.HELD
    assert len(house.entries(EntryType.TOKEN_MINTED)) == 1


async def test_what_a_blackout_means_for_one_submission(front: Front) -> None:
    """The earliest time after it; late where a fixed time lies in it, or where it outlasts the window."""
    house, now = front.house, front.house.runner.now()
    plain, fixed, free = await submitted(front), await submitted(front, scheduled=instants.plus(now, 3_600)), await submitted(front)
    await blackout(house)
    now = house.runner.now()
    end = next(iter(house.state.blackouts.values())).end
    found = {name: outside.held_up(front.counter, house.state.submissions[identifier], now) for name, identifier in
             (("plain", plain), ("fixed", fixed), ("free", free))}
    assert found["plain"] == found["free"] == [{"channel": "news", "earliest": end, "late": False}]
    assert found["fixed"] == [{"channel": "news", "earliest": end, "late": True}]
    after = instants.plus(now, 2 * 86_400)
    assert outside.held_up(front.counter, house.state.submissions[plain], after) == []
    assert outside.days(front.counter, after) == []
    await blackout_until(front, instants.plus(now, 9 * 86_400))
    assert outside.held_up(front.counter, house.state.submissions[plain], now)[0]["late"]


async def blackout_until(front: Front, end: str) -> None:
    """Set a second blackout that begins now and lasts longer than any window."""
    data = {"scope": "all", "kind": "other", "start": front.house.runner.now(), "end": end, "reason": front.house.parts.values.commit("x")}
    await front.house.change(Change(type=EntryType.BLACKOUT_SET, object="blk_test0002", data=data))
