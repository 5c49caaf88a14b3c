"""What changes around a text, as the desk shows it: blackout days before anybody submits, and steps that a new table asks for."""

from __future__ import annotations

from gateway import canonical
from gateway.canonical import Digest
from gateway.desk.notify.messages import messages
from gateway.machine.changes import changes_digest
from gateway.machine.policy import RULES, Rule
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade, Proof, Request
from gateway.protocol.entries import EntryType
from gateway.protocol.statements import PROPOSAL_LABEL, list_digest
from tests.gateway.desk.conftest import Place
from tests.gateway.desk.story import sign, submit, write

STRICTER = (*RULES, Rule("R14", "level:own", (("approve", ((Office.BRAND_PR_HEAD, "group"),)),), "", ""))


def proof(place: Place, person: str, digest: Digest) -> Proof:
    """Return a person's code over a list, as the counter hands it in."""
    number = next(place.house.count) + 10**9
    return Proof(method="totp", factor=f"factor/{place.people(person)}/totp", nonce=f"n{number}", list_digest=digest,
                 evidence=canonical.sha256(b"%d" % number), step=number)


async def two(place: Place, change: Change) -> None:
    """Make one change by 何立群 and 许文澜."""
    house, digest = place.house, changes_digest([change])
    first, second = place.people("he"), place.people("xu")
    made = await house.runner.submit(Request(command=c.Propose(
        changes=(change,), reason=house.parts.values.commit("测试"), until=instants.plus(house.runner.now(), 86_400),
        proof=proof(place, "he", list_digest(PROPOSAL_LABEL, [(digest, "propose")]))), actor=first, grade=Grade.PROOF))
    await house.runner.submit(Request(command=c.Confirm(
        proposal=made.object, digest=digest, proof=proof(place, "xu", list_digest(PROPOSAL_LABEL, [(digest, "confirm")]))),
        actor=second, grade=Grade.PROOF))
    await place.caught_up()


async def test_a_blackout_is_seen_before_anyone_submits(place: Place) -> None:
    """Channels, sends and status name it; the panel says the earliest time; a fixed time inside it is refused with the basis; lifted, all is gone."""
    house, now = place.house, place.house.runner.now()
    end = instants.plus(now, 2 * 86_400)
    await two(place, Change(type=EntryType.BLACKOUT_SET, object="blk_test0001", data={
        "scope": "unit", "target": house.state.channels[place.channel()].unit, "kind": "earnings", "start": now, "end": end,
        "reason": house.parts.values.commit("年报")}))
    browser = await place.browser("lu")
    for path in ("/channels", f"/channels/{place.channel()}", "/publications", "/status"):
        page = (await browser.get(path)).text
        assert "财报静默期" in page, path
        assert "不发布、不更正，撤稿不受影响" in page, path
    other = next(ch.id for ch in house.state.channels.values() if ch.level == "company")
    assert "财报静默期" not in (await browser.get(f"/channels/{other}")).text
    draft = await write(browser, "秋收之后", place.channel())
    panel = (await browser.post(f"/drafts/{draft}/check")).text
    assert "财报静默期，静默期内不发；最快" in panel
    assert "为什么不能发" not in panel
    fixed = await write(browser, "定时在静默期内", place.channel(), scheduled=instants.plus(now, 86_400))
    panel = (await browser.post(f"/drafts/{fixed}/check")).text
    for words in ("现在是静默期", "第八条", "最快", "定时须在结束之后"):
        assert words in panel, words
    await two(place, Change(type=EntryType.BLACKOUT_LIFTED, object="blk_test0001", data={}))
    assert "静默期" not in (await browser.get("/channels")).text
    assert "静默期" not in (await browser.post(f"/drafts/{draft}/check")).text


async def test_who_is_told_of_a_blackout_and_of_a_re_route(place: Place) -> None:
    """Brand & PR, leaders and founders learn of the days; the author of what is asked for, the added step's holder of the work."""
    house = place.house
    now = house.runner.now()
    for number, scope in enumerate(("all", f"channel:{place.channel()}", f"unit:{house.state.group}")):
        await two(place, Change(type=EntryType.BLACKOUT_SET, object=f"blk_told000{number}", data={
            "scope": scope.partition(":")[0], "kind": "assembly", "start": instants.plus(now, 86_400), "end": instants.plus(now, 2 * 86_400),
            "reason": house.parts.values.commit("会议"), **({"target": scope.partition(":")[2]} if ":" in scope else {})}))
    submission = await submit(await place.browser("lu"), "秋收之后", place.channel())
    await sign(place, "gu", submission, "approve")
    house.runner.rules = STRICTER
    await house.runner.system(c.Reroute(submission=submission, asked_by="start"))
    await place.caught_up()
    writing, entries = place.parts.outbox.writing, [*house.entries(EntryType.BLACKOUT_SET), *house.entries(EntryType.SUBMISSION_REROUTED)]
    async with place.parts.sessions() as session:
        told = await session.run_sync(lambda sync: [
            (message.person, message.text) for entry in entries
            for kind in (("blackout",) if entry.type == EntryType.BLACKOUT_SET else ("waiting", "rerouted"))
            for message in messages(writing(sync), kind, entry, entry.object)])
        nothing = await session.run_sync(lambda sync: list(messages(writing(sync), "blackout", entries[0], "blk_none")))
    assert nothing == []
    channel = house.state.channels[place.channel()].name
    for words in ("【静默期】全部渠道", f"【静默期】{channel}", f"【静默期】{house.state.units[house.state.group].name}", "（重要会议）不发布、不更正"):
        assert any(words in text for person, text in told if person == place.people("xu")), words
    assert any("补了步骤" in text for person, text in told if person == place.people("lu"))
    assert any("待您办理" in text for person, text in told if person == place.people("xu"))


async def test_a_re_routed_text_says_why(place: Place) -> None:
    """Its page shows the added step, rule and article, whom it waits for, and that the earlier token is void; the head finds it in the queue."""
    house, browser = place.house, await place.browser("lu")
    submission = await submit(browser, "秋收之后", place.channel(), scheduled=instants.plus(house.runner.now(), 3_600))
    await sign(place, "gu", submission, "approve")
    await sign(place, "lu", submission, "release")
    house.runner.rules = STRICTER
    await house.runner.system(c.Reroute(submission=submission, asked_by="start"))
    await place.caught_up()
    page = (await browser.get(f"/submissions/{submission}")).text
    for words in ("流程按现行制度补步骤", "补：品牌公关部负责人同意", "R14", "第十四条", "先前的签发令作废", "许文澜"):
        assert words in page, words
    assert "秋收之后" in (await (await place.browser("xu")).get("/")).text
    await sign(place, "xu", submission, "approve")
    await sign(place, "lu", submission, "release")
    await place.caught_up()
    assert house.state.submissions[submission].state.value == "released"
