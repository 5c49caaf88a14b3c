"""续期 as its author meets it: what expired says so, one press opens it again, and what stands in the way is said in words."""

from __future__ import annotations

import secrets

import pytest

from gateway.protocol import commands as c
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from tests.gateway.desk.conftest import Answer, Browser, Place
from tests.gateway.desk.story import hand_in, sign, submission_of, write
from tests.gateway.desk.test_outside import two

TITLE = "秋收之后，我们把水管修到了地头"


def pass_days(place: Place, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Let the enforcer's clock be later; the desk's own is only for what it shows as past."""
    clock = place.house.runner.clock
    wall, boot = clock._wall, clock._boot
    monkeypatch.setattr(clock, "_wall", lambda: wall() + days * 86_400_000_000_000)
    monkeypatch.setattr(clock, "_boot", lambda: boot() + days * 86_400_000_000_000)


async def expire(place: Place, submission: str) -> None:
    """Let time end a submission's window, as the enforcer's sweep does unless it has done so already."""
    if place.house.state.submissions[submission].state.value != "expired":
        await place.house.runner.system(c.Expire(submission=submission))
    await place.caught_up()


async def press(browser: Browser, submission: str, act: str = "renew", command: str = "") -> Answer:
    """Press a button of the submission's page."""
    return await browser.post(f"/submissions/{submission}/{act}", {"command": command or secrets.token_hex(16)})


async def test_one_press_opens_what_expired(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """已过期 with 续期 first: the same bytes, a new window, everything is signed again, and whoever signs is asked; pressed twice it is once."""
    lu = await place.browser("lu")
    draft = await write(lu, TITLE, place.channel())
    submission = submission_of(await hand_in(lu, draft))
    await sign(place, "gu", submission, "approve")
    early = await press(lu, submission)
    assert (early.status, "当前状态不能这样操作" in early.text) == (409, True)
    before = place.house.state.submissions[submission]
    content, window = before.content, before.window_to
    pass_days(place, monkeypatch, 10)
    await expire(place, submission)
    lu, gu = await place.browser("lu"), await place.browser("gu")
    page = (await lu.get(f"/submissions/{submission}")).text
    for words in ("已过期", "时间窗已过。内容不变，可一键续期；续期后需重新签发", '<button class="btn primary">续期</button>', "修改后再报", "撤回", "取消"):
        assert words in page, words
    assert page.index(">续期<") < page.index(">撤回<") < page.index(">取消<")
    assert "已过期" in (await lu.get("/drafts")).text
    assert submission not in (await gu.get("/")).text
    for who, status in (("gu", 403), ("lin", 403)):
        refused = await press(await place.browser(who), submission)
        assert (refused.status, "只有拟稿人能这样操作" in refused.text) == (status, True)
    command = secrets.token_hex(16)
    for _ in range(2):
        assert (await press(lu, submission, command=command)).status == 303
    found = place.house.state.submissions[submission]
    assert (found.state.value, found.revision, found.content, found.signatures) == ("in_review", 1, content, [])
    assert found.window_to > max(window, place.house.runner.now())
    await place.caught_up()
    page = (await lu.get(f"/submissions/{submission}")).text
    assert "正在等：" in page
    assert "顾长庚" in page.split("正在等：")[1][:200]
    assert "续期" in page[page.index('class="log"'):]
    assert ">续期</button>" not in page
    assert submission in (await gu.get("/")).text
    await sign(place, "gu", submission, "approve")
    await sign(place, "lu", submission, "release")
    publication = place.house.state.publications[next(iter(place.house.state.publications))]
    assert await place.house.until(publication.id, "live") == "live"


async def test_what_stands_in_the_way_of_a_renewal_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head's office has ended: nothing is renewed, the page says which step has nobody and whom to ask, in both languages; the way on is open."""
    lu = await place.browser("lu")
    draft = await write(lu, TITLE, place.channel())
    submission = submission_of(await hand_in(lu, draft))
    pass_days(place, monkeypatch, 10)
    await expire(place, submission)
    held = next(a for a in place.house.state.appointments.values() if a.person == place.people("gu") and a.office == "unit_head")
    await two(place, Change(type=EntryType.APPOINTMENT_ENDED, object=held.id, data={"end": place.house.runner.now()}))
    for lang, words in (("zh", ("流程里有一步现在没有人能办", "第十七条", "缺： 禾汀灌溉", "请先任命相应负责人", "何立群")),
                        ("en", ("A step of the route has nobody who could do it", "Appoint the office first", "Missing: "))):
        answer = await press(await place.browser("lu", lang=lang), submission)
        assert answer.status == 409
        for word in words:
            assert word in answer.text, word
        assert f"/submissions/{submission}" in answer.text
    assert place.house.state.submissions[submission].state.value == "expired"
    assert (await (await place.browser("lu")).get(f"/drafts/{draft}")).status == 200
    assert (await press(await place.browser("lu"), submission, "cancel")).status == 303


async def test_a_channel_out_of_force_is_named_where_a_renewal_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its filing was suspended while the item lay expired: which channel, on what basis and whom to ask stand there."""
    lu = await place.browser("lu")
    submission = submission_of(await hand_in(lu, await write(lu, TITLE, place.channel())))
    pass_days(place, monkeypatch, 10)
    await expire(place, submission)
    await two(place, Change(type=EntryType.CHANNEL_CHANGED, object=place.channel(), data={"filing": "suspended"}))
    answer = await press(await place.browser("lu"), submission)
    assert answer.status == 403
    for word in ("渠道未备案", "渠道：禾汀灌溉", "第七条", "方小满"):
        assert word in answer.text, word
    assert "Channel: 禾汀灌溉" in (await press(await place.browser("lu", lang="en"), submission)).text


async def test_the_rest_of_a_partly_sent_item_is_renewed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One channel is out and the other's time is over: the page says what stays, and the renewal is for the rest alone."""
    lu, group, unit = await place.browser("lu"), place.channel("wechat_group"), place.channel()
    submission = submission_of(await hand_in(lu, await write(lu, TITLE, group, unit)))
    await sign(place, "gu", submission, "approve")
    await sign(place, "fang", submission, "release", group)
    live = place.house.state.submissions[submission].target(group).publication
    assert live is not None
    await place.house.until(live, "live")
    pass_days(place, monkeypatch, 10)
    await expire(place, submission)
    lu = await place.browser("lu")
    page = (await lu.get(f"/submissions/{submission}")).text
    assert "已发布，撤回和修改都不影响：禾汀集团" in page
    assert "撤回未放行的 1 个渠道" in page
    assert (await press(lu, submission)).status == 303
    await sign(place, "gu", submission, "approve")
    await sign(place, "fang", submission, "release")
    rest = place.house.state.submissions[submission].target(unit).publication
    assert rest not in {None, live}
    assert await place.house.until(str(rest), "live") == "live"
    assert place.house.state.finished[submission][2] == "done"
