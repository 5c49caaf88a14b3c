"""A submission of which one channel is out: the author takes back what waits, and every page says what stays."""

from __future__ import annotations

import secrets

from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from tests.gateway.desk.conftest import Answer, Browser, Place
from tests.gateway.desk.story import hand_in, seen, sign, submission_of, write

TITLE = "秋收之后，我们把水管修到了地头"


async def approved(place: Place, lu: Browser) -> tuple[str, str]:
    """Hand a text in for the group's and the unit's channel and have it approved; return draft and submission."""
    draft = await write(lu, TITLE, place.channel("wechat_group"), place.channel())
    submission = submission_of(await hand_in(lu, draft))
    await sign(place, "gu", submission, "approve")
    return draft, submission


async def live(place: Place, submission: str, channel: str) -> str:
    """Release one channel and wait until it is live; return its publication."""
    await sign(place, "fang", submission, "release", channel)
    publication = place.house.state.submissions[submission].target(channel).publication
    assert publication is not None
    await place.house.until(publication, "live")
    await place.caught_up()
    return publication


async def recall(browser: Browser, submission: str) -> Answer:
    """Press 撤回."""
    return await browser.post(f"/submissions/{submission}/recall", {"command": secrets.token_hex(16)})


async def test_the_author_takes_back_what_waits(place: Place) -> None:
    """撤回 names what it does, leaves alone what is out, takes the rest out of the queue and gives the draft back with what is out shown."""
    lu, group, unit = await place.browser("lu"), place.channel("wechat_group"), place.channel()
    draft, submission = await approved(place, lu)
    publication = await live(place, submission, group)
    page = (await lu.get(f"/submissions/{submission}")).text
    assert "撤回未放行的 1 个渠道" in page
    assert "已发布，撤回和修改都不影响：禾汀集团" in page
    assert submission in (await (await place.browser("fang")).get("/")).text
    for other in ("fang", "lin"):
        refused = await recall(await place.browser(other), submission)
        assert (refused.status, "只有拟稿人能这样操作" in refused.text) == (403, True)
    assert (await recall(lu, submission)).status == 303
    assert place.house.state.publications[publication].state.value == "live"
    assert submission not in (await (await place.browser("fang")).get("/")).text
    page = (await lu.get(f"/submissions/{submission}")).text
    for words in ("已撤回：禾汀灌溉。改好后可以再报", "已发布，撤回和修改都不影响：禾汀集团", "撤回 · 禾汀灌溉", "修改后再报"):
        assert words in page, words
    assert "撤回未放行" not in page
    again = await recall(lu, submission)
    assert (again.status, "当前状态不能这样操作" in again.text) == (409, True)
    editor = (await lu.get(f"/drafts/{draft}")).text
    assert f'value="{unit}" checked' in editor
    assert f'value="{group}"' not in editor
    english = await place.browser("lu", lang="en")
    page = (await english.get(f"/submissions/{submission}")).text
    assert "Published, and untouched by a recall or a change" in page


async def test_what_is_released_goes_on_and_says_so(place: Place) -> None:
    """One channel is held by a freeze: the rest is taken back, the page says how to stop the one, and nothing is handed in before it has ended."""
    lu, group = await place.browser("lu"), place.channel("wechat_group")
    draft, submission = await approved(place, lu)
    await place.house.do(c.Freeze(scope="channel", target=group, reason=place.house.parts.values.commit("核实")), "fang", Grade.COUNTER)
    await sign(place, "fang", submission, "release", group)
    await place.caught_up()
    page = (await lu.get(f"/submissions/{submission}")).text
    assert "撤回未放行的 1 个渠道" in page
    assert "已放行，将按时发出，不随撤回变动：禾汀集团" in page
    assert (await recall(lu, submission)).status == 303
    held = place.house.state.submissions[submission].target(group).publication
    assert held is not None
    assert place.house.state.publications[held].state.value == "held"
    assert "禾汀集团 有了发送结果之后才能再报" in (await lu.get(f"/submissions/{submission}")).text
    assert "禾汀集团 有了发送结果之后才能再报" in (await lu.get(f"/drafts/{draft}")).text
    early = await hand_in(lu, draft, expected=await seen(lu, draft))
    assert "当前状态不能这样操作" in early.text
    await place.house.do(c.Stop(publication=held), "gu", Grade.COUNTER)
    await place.caught_up()
    assert "有了发送结果之后才能再报" not in (await lu.get(f"/drafts/{draft}")).text
    assert submission_of(await hand_in(lu, draft, expected=await seen(lu, draft))) == submission
    assert place.house.state.submissions[submission].revision == 2


async def test_a_device_recalls_the_rest_and_is_told_what_is_out(place: Place) -> None:
    """Over the API: what is out stands there with its link, its revision and its state, also when a later revision is in review."""
    lu, device, group, unit = await place.browser("lu"), await place.device("lu"), place.channel("wechat_group"), place.channel()
    draft, submission = await approved(place, lu)
    publication = await live(place, submission, group)
    out = {"id": publication, "channel": group, "name": "禾汀集团", "state": "live", "url": place.house.state.publications[publication].url, "revision": 1}
    before = (await device.send("GET", f"/submissions/{submission}")).json
    assert (before["state"], [one["words"] for one in before["waiting"]] != [], before["publications"]) == ("released", True, [out])
    assert (await device.send("POST", f"/submissions/{submission}/recall", {"command": "recall-00001"})).status == 200
    found = (await device.send("GET", f"/submissions/{submission}")).json
    assert (found["state"], found["waiting"], found["publications"]) == ("recalled", [], [out])
    kept = await place.parts.drafts.get(draft, place.people("lu"))
    await lu.post(f"/drafts/{draft}/save", value={**kept.form, "targets": [{"channel": unit, "operation": "publish", "previous": None}], "version": 2, "html": "<p>改</p>"})
    assert submission_of(await hand_in(lu, draft, 3, expected=await seen(lu, draft))) == submission
    revised = (await device.send("GET", f"/submissions/{submission}")).json
    assert (revised["revision"], [t["channel"] for t in revised["targets"]], revised["publications"]) == (2, [unit], [out])
