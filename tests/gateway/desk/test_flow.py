"""From a draft to what is public, and everything a person meets on the way, against the real enforcer."""

from __future__ import annotations

import asyncio
import secrets
from urllib.parse import quote

from sqlalchemy import select

from gateway.desk.console.editor import shown
from gateway.desk.console.todo import together
from gateway.desk.drafts.handing_in import Look
from gateway.desk.drafts.tables import DraftRow
from gateway.desk.readmodel.directory import load
from gateway.desk.readmodel.submissions import StageTimeRow, SubmissionRow
from gateway.enforcer.reserve import Reserve
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Grade, Request
from gateway.protocol.notes import Note, Notes
from tests.gateway.desk.conftest import Place
from tests.gateway.desk.story import form, hand_in, picture, publish, seen, sign, submission_of, submit, withdraw_at_once, write

TITLE = "秋收之后，我们把水管修到了地头"


async def test_a_text_becomes_public_and_can_be_found(place: Place) -> None:
    """陆晓棠 writes, 顾长庚 finds it in the queue with a link to the counter, it goes out, and every way of searching finds it."""
    browser = await place.browser("lu")
    submission = await submit(browser, TITLE, place.channel())
    head = await (await place.browser("gu")).get("/")
    assert f"{place.settings.counter_url}/s/item/{submission}" in head.text
    assert TITLE in head.text
    assert submission not in (await (await place.browser("meng")).get("/")).text
    await sign(place, "gu", submission, "approve")
    await sign(place, "lu", submission, "release")
    publication = next(iter(place.house.state.publications))
    await place.house.until(publication, "live")
    await place.caught_up()
    page = await browser.get(f"/publications/{publication}")
    assert "与签发一致" in page.text
    assert "撤下「禾汀灌溉」这一篇" in page.text
    known = place.house.state.publications[publication]
    for asked in (known.url, "把水管修到", "水管", publication, "签-2026-0001"):
        found = await browser.get("/log?q=" + quote(asked, safe=""))
        assert publication in found.text or submission in found.text, asked
    nothing = await browser.get("/log?q=" + quote("https://mp.weixin.qq.com/s/never", safe=""))
    assert "未经签发" in nothing.text
    assert (await browser.get("/log?q=" + quote('"; OR 1=1 * -"', safe=""))).status == 200


async def test_everything_against_it_is_said_before_the_button(place: Place) -> None:
    """An unfiled channel, a missing category and a wrong weekday stand there at once, with rule, article and whom to ask."""
    browser = await place.browser("lin")
    draft = await write(browser, "淡季也有好风景", place.channel("weibo_unit"), html="<p>11月27日（星期四）见 https://www.heting.example/ </p>",
                        facts={"category": "", "sensitive": False, "executives": False, "external_quote": False, "ai_generated": False,
                               "reprinted_pictures": False})
    panel = (await browser.post(f"/drafts/{draft}/check")).text
    assert "还差 2 处" in panel
    for words in ("渠道未备案", "第七条", "许文澜", "6605", "还没有选择类别", "星期五", "改为"):
        assert words in panel, words
    assert place.house.state.submissions == {}


async def test_a_refused_attempt_can_be_done_properly(place: Place) -> None:
    """What the enforcer refused stands under 被拦截 with the article and whom to ask, and leads back to its draft."""
    browser = await place.browser("lin")
    draft = await write(browser, "淡季也有好风景", place.channel("weibo_unit"), html="<p>https://www.heting.example/ 见</p>")
    assert "渠道未备案" in (await hand_in(browser, draft)).text
    await place.caught_up()
    page = (await browser.get("/refusals")).text
    assert "淡季也有好风景" in page
    assert "第七条" in page
    assert "方小满" in page
    assert "淡季也有好风景" in (await (await place.browser("fang")).get("/refusals")).text
    assert "淡季也有好风景" not in (await (await place.browser("lu")).get("/refusals")).text
    refusal = page.split("/refusals/")[1].split("/")[0].split('"')[0]
    assert (await browser.post(f"/refusals/{refusal}/submit")).location == f"/drafts/{draft}"
    assert (await (await place.browser("lu")).post(f"/refusals/{refusal}/submit")).status == 404


async def test_the_same_button_twice_is_one_submission(place: Place) -> None:
    """Pressed twice with one command, and twice at once, there is one number."""
    browser = await place.browser("lu")
    draft = await write(browser, TITLE, place.channel())
    command = secrets.token_hex(16)
    first, second = await asyncio.gather(hand_in(browser, draft, command=command), hand_in(browser, draft, command=command))
    assert len(place.house.state.submissions) == 1
    made = next(iter(place.house.state.submissions))
    assert {answer.headers.get("HX-Redirect", "").split("?")[0] for answer in (first, second)} <= {f"/submissions/{made}", ""}
    assert submission_of(first) == made


async def test_returned_notes_stand_at_their_place_and_the_next_revision_keeps_the_number(place: Place) -> None:
    """A return shows who, why and what; mending and handing in again makes 第2稿 under the same number."""
    browser = await place.browser("lu")
    draft = await write(browser, TITLE, place.channel())
    submission = submission_of(await hand_in(browser, draft))
    notes = place.house.runner.blobs.put(Notes(text="请核对", notes=(Note(field="body", start=7, quote="更换了", note="<b>请附</b>来源"),)).to_bytes())
    await place.house.do(c.Return(submission=submission, revision=1, reason="data", notes=notes), "gu", Grade.COUNTER)
    await place.caught_up()
    page = (await browser.get(f"/submissions/{submission}")).text
    assert "顾长庚" in page
    assert "数据待核" in page
    assert "请核对" in page
    assert "&lt;b&gt;请附&lt;/b&gt;来源" in page
    editor = (await browser.get(f"/drafts/{draft}")).text
    assert 'data-quote="更换了"' in editor
    saved = await browser.post(f"/drafts/{draft}/save", value={
        **form(TITLE, place.channel(), cover=None), "version": 2, "html": "<p>入冬前，工程部更换了4.2公里老旧支管。</p>"})
    assert saved.status == 200
    assert "封面" in (await browser.post(f"/drafts/{draft}/check")).text
    pictures = await browser.post(f"/drafts/{draft}/pictures", raw=picture(colour="#123456"), **{"Content-Type": "image/png"})
    await browser.post(f"/drafts/{draft}/save", value={
        **form(TITLE, place.channel(), cover=pictures.json["digest"]), "version": 3, "html": "<p>入冬前，工程部更换了4.2公里老旧支管。</p>"})
    blind = await hand_in(browser, draft, 4)
    assert "您看到的内容之后有变动" in blind.text
    assert place.house.state.submissions[submission].revision == 1
    assert submission_of(await hand_in(browser, draft, 4, expected=await seen(browser, draft))) == submission
    found = place.house.state.submissions[submission]
    assert (found.revision, found.number) == (2, "签-2026-0001")


async def test_what_is_left_of_a_partly_sent_item_is_revised(place: Place) -> None:
    """One of two channels is out, the other comes back: the editor says which is done and leaves it out, and the rest goes its own way to the end."""
    lu, group, unit = await place.browser("lu"), place.channel("wechat_group"), place.channel()
    draft = await write(lu, TITLE, group, unit)
    submission = submission_of(await hand_in(lu, draft))
    await sign(place, "gu", submission, "approve")
    await sign(place, "fang", submission, "release", group)
    live = place.house.state.submissions[submission].target(group).publication
    assert live is not None
    await place.house.until(live, "live")
    await place.house.do(c.Return(submission=submission, revision=1, reason="data", notes=None), "fang", Grade.COUNTER)
    await place.caught_up()
    editor = (await lu.get(f"/drafts/{draft}")).text
    assert 'data-leave-out="1"' in editor
    channel = editor[:editor.index(f'href="/publications/{live}"')].rsplit("<label", 1)[1]
    assert "disabled" in channel
    assert "已发布" in channel
    assert f'href="{place.house.state.publications[live].url}"'.replace("&", "&amp;") in channel
    assert "第1稿</a> · 要改已发布的，请走更正" in editor
    assert f'value="{group}"' not in editor
    assert "这份报审在这个渠道已经办完" in (await lu.post(f"/drafts/{draft}/check")).text
    both = await hand_in(lu, draft, expected=await seen(lu, draft))
    assert "这份报审在这个渠道已经办完" in both.text
    kept = await place.parts.drafts.get(draft, place.people("lu"))
    changed = {**kept.form, "targets": [{"channel": unit, "operation": "publish", "previous": None}], "title": "秋收之后，改"}
    assert (await lu.post(f"/drafts/{draft}/save", value={**changed, "version": 2, "html": shown(kept.body)})).status == 200
    assert 'data-leave-out="1"' not in (await lu.get(f"/drafts/{draft}")).text
    assert "已经办完" not in (await lu.post(f"/drafts/{draft}/check")).text
    assert submission_of(await hand_in(lu, draft, 3, expected=await seen(lu, draft))) == submission
    await place.caught_up()
    queue = (await (await place.browser("gu")).get("/")).text
    assert "可并签" not in queue
    assert submission in queue[queue.index("需逐件") :]  # as at the counter: what is out of it already is looked at
    await sign(place, "gu", submission, "approve")
    await sign(place, "lu", submission, "release")
    await place.house.until(next(p.id for p in place.house.state.publications.values() if p.revision == 2), "live")
    await place.caught_up()
    page = (await lu.get(f"/submissions/{submission}")).text
    assert "第2稿" in page
    assert "已完成" in page
    assert live in page
    assert place.house.state.publications[live].state.value == "live"


async def test_a_draft_that_looks_as_if_never_handed_in_is_not_handed_in_twice(place: Place) -> None:
    """Attack on the moment before the desk has read its own submission, and on a read model that is emptied: no second one, nothing thrown away."""
    lu, device = await place.browser("lu"), await place.device("lu")
    draft = await write(lu, TITLE, place.channel())
    submission = submission_of(await hand_in(lu, draft))
    await place.caught_up()
    async with place.parts.sessions.begin() as session:  # as it stands until the entry is read
        row = await session.get(DraftRow, draft)
        assert row is not None
        row.state = "draft"
    again = await hand_in(lu, draft)
    assert "当前状态不能这样操作" in again.text
    assert (await lu.post(f"/drafts/{draft}/discard")).status == 409
    async with place.parts.sessions.begin() as session:  # as it stands while the log is read again
        row = await session.get(DraftRow, draft)
        assert row is not None
        row.submission = None
    follower = place.parts.follower
    before, follower._again = follower._again, follower.next + 1
    assert "签发服务没有回应" in (await hand_in(lu, draft)).text
    body = {"draft": draft, "version": 2, "command": "submit-000001"}
    assert (await device.send("POST", "/submissions", body)).status == 503
    assert (await lu.post(f"/drafts/{draft}/discard")).status == 409
    follower._again = before
    follower._heard = False  # as at the start of a desk, until the enforcer has said how long the log is
    assert "签发服务没有回应" in (await hand_in(lu, draft)).text
    assert (await device.send("POST", "/submissions", body)).status == 503
    assert (await lu.post(f"/drafts/{draft}/discard")).status == 409
    await follower.step()
    assert not follower.reading_again
    assert list(place.house.state.submissions) == [submission]
    await follower.rebuild()
    assert follower.reading_again
    while follower.next < place.house.state.size:
        await follower.step()
    assert not follower.reading_again
    assert (await place.parts.drafts.get(draft, place.people("lu"))).submission == submission


async def test_an_earlier_save_of_a_text_in_review_stays_where_it_is(place: Place) -> None:
    """恢复 from a window that was left open: in review, and no fault of the desk."""
    lu = await place.browser("lu")
    draft = await write(lu, TITLE, place.channel())
    submission_of(await hand_in(lu, draft))
    await place.caught_up()
    kept = await place.parts.drafts.get(draft, place.people("lu"))
    answer = await lu.post(f"/drafts/{draft}/revisions/1")
    assert answer.status == 409, answer.text
    assert (await place.parts.drafts.get(draft, place.people("lu"))).version == kept.version


async def test_recall_gives_the_draft_back(place: Place) -> None:
    """撤回 opens the draft again; a second 撤回 is refused in words."""
    browser = await place.browser("lu")
    draft = await write(browser, TITLE, place.channel())
    submission = submission_of(await hand_in(browser, draft))
    assert (await browser.get(f"/drafts/{draft}")).location == f"/submissions/{submission}"
    stale = await browser.post(f"/drafts/{draft}/save", value={**form(TITLE), "version": 2, "html": "<p>改</p>"})
    assert stale.status == 409
    assert stale.json["code"] == "not_editable"
    answer = await browser.post(f"/submissions/{submission}/recall", {"command": secrets.token_hex(16)})
    assert answer.status == 303
    assert (await browser.get(f"/drafts/{draft}")).status == 200
    again = await browser.post(f"/submissions/{submission}/recall", {"command": secrets.token_hex(16)})
    assert again.status == 409
    assert "为什么不能发" in again.text
    other = await (await place.browser("lin")).post(f"/submissions/{submission}/cancel", {"command": secrets.token_hex(16)})
    assert other.status == 403


async def test_a_withdrawal_names_what_is_live(place: Place) -> None:
    """撤下 makes a draft against exactly this publication, which takes the same route."""
    browser = await place.browser("lu")
    publication = await publish(place, browser, TITLE)
    made = await browser.post(f"/publications/{publication}/withdraw")
    draft = made.location.rsplit("/", 1)[1]
    assert publication in (await browser.get(made.location)).text
    submission = submission_of(await hand_in(browser, draft, 1))
    target = place.house.state.submissions[submission].targets[0]
    assert (target.operation, target.previous) == ("withdraw", publication)
    assert (await (await place.browser("lin")).post(f"/publications/{publication}/withdraw")).status == 404


async def test_an_approved_text_is_shown_to_those_who_may_read_it(place: Place) -> None:
    """Unpublished content opens for author, unit, heads, brand & PR and audit, and for nobody else; pictures with it."""
    browser = await place.browser("lu")
    submission = await submit(browser, TITLE, place.channel())
    content = place.house.state.submissions[submission].content
    for who, status in (("lu", 200), ("gu", 200), ("fang", 200), ("shao", 200), ("lin", 404), ("he", 200)):
        answer = await (await place.browser(who)).get(f"/contents/{content}")
        assert answer.status == status, who
    shown = (await browser.get(f"/contents/{content}"))
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    source = shown.text.split('src="')[1].split('"')[0]
    assert (await browser.get(source)).headers["Content-Type"] == "image/png"
    assert (await (await place.browser("lin")).get(source)).status == 404


async def test_without_the_enforcer_pages_draw_and_typing_is_kept(place: Place) -> None:
    """Cut off from the enforcer every list still draws with the strip, saving works, and handing in says nothing was lost."""
    browser = await place.browser("lu")
    await browser.get("/")
    draft = await write(browser, TITLE, place.channel())
    await place.cut_off()
    place.parts.follower.reachable = False
    for path in ("/", "/drafts", "/publications", "/log", "/refusals", "/channels", "/people", "/status", f"/drafts/{draft}"):
        page = await browser.get(path)
        assert page.status == 200, path
        assert "签发服务暂时不可用" in page.text, path
    saved = await browser.post(f"/drafts/{draft}/save", value={**form("新标题", place.channel()), "version": 2, "html": "<p>又写了一段</p>"})
    assert saved.status == 200
    command = secrets.token_hex(16)
    answer = await hand_in(browser, draft, 3, command)
    assert "封面" in answer.text  # its own checks still speak
    await browser.post(f"/drafts/{draft}/save", value={
        **form("新标题", place.channel(), cover=(await place.parts.drafts.pictures(draft)).popitem()[0]), "version": 3, "html": "<p>又写了一段</p>"})
    answer = await hand_in(browser, draft, 4, command)
    assert "不会重复报审" in answer.text
    assert command in answer.text
    assert "又写了一段" in (await browser.get(f"/drafts/{draft}/frame")).text


async def test_two_windows_do_not_overwrite_each_other(place: Place) -> None:
    """A save from an older version is refused and says so; earlier saves can be had back."""
    browser = await place.browser("lu")
    draft = await write(browser, TITLE, place.channel())
    older = await browser.post(f"/drafts/{draft}/save", value={**form("旧窗口"), "version": 1, "html": "<p>旧</p>"})
    assert older.status == 409
    assert older.json["version"] == 2
    assert TITLE in (await browser.get(f"/drafts/{draft}")).text
    revisions = await browser.get(f"/drafts/{draft}/revisions")
    assert f"/drafts/{draft}/revisions/1" in revisions.text
    assert (await browser.post(f"/drafts/{draft}/revisions/1")).status == 303
    assert (await browser.get(f"/drafts/{draft}")).text.count(TITLE) == 0


async def test_pasting_says_what_went(place: Place) -> None:
    """Pasted HTML comes back clean with a line for what was taken out, before and after."""
    browser = await place.browser("lu")
    made = await browser.post("/drafts")
    answer = await browser.post(f"{made.location}/paste", value={
        "html": '<p style="position:fixed;color:red" onclick="x()">字<script>alert(1)</script><img src="https://a.example/1.png"></p>'})
    assert answer.status == 200
    assert "script" not in answer.json["html"]
    assert "onclick" not in answer.json["html"]
    assert "position" not in answer.json["html"]
    assert {line["kind"] for line in answer.json["removed"]} >= {"script", "event"}
    assert answer.json["needed"][0]["url"] == "https://a.example/1.png"


async def test_the_whole_log_is_verified_and_a_pack_is_exported(place: Place) -> None:
    """核验全部 ends with a count and seconds; the pack is a zip about the id."""
    browser = await place.browser("shao")
    begun = (await browser.post("/log/verify")).text
    for _ in range(100):
        if "hx-get" not in begun:
            break
        job = begun.split("/log/verify/")[1].split('"')[0]
        await asyncio.sleep(0.05)
        begun = (await browser.get(f"/log/verify/{job}")).text
    assert "存证完整、未改" in begun
    assert "秒" in begun
    author = await place.browser("lu")
    submission = await submit(author, TITLE, place.channel())
    other = await (await place.browser("lin")).post("/export", {"id": submission})
    assert (other.status, "请审计员导出" in other.text) == (403, True)
    pack = await author.post("/export", {"id": submission})
    assert pack.headers["Content-Type"] == "application/zip"
    assert pack.body[:2] == b"PK"
    assert (await browser.post("/export", {"id": "../../etc"})).status == 404


async def test_the_organisation_shows_its_gaps(place: Place) -> None:
    """Two releasers are too few, and the page says so; names come from the log."""
    page = (await (await place.browser("he")).get("/people")).text
    assert "放行人只有 2 人" in page
    assert "沈知远" in page
    assert "6601" in page
    async with place.parts.sessions() as session:
        names = await load(session)
    assert names.name(place.people("lu")) == "陆晓棠"


async def test_the_status_page_says_why_it_is_degraded(place: Place) -> None:
    """A disk without room: the page names it, and what still goes on, in the language of the reader."""
    zh, en = await place.browser("lu"), await place.browser("lu", lang="en")
    assert "磁盘将满" not in (await zh.get("/status")).text
    runner = place.house.runner
    before, runner.reserve = runner.reserve, Reserve(runner.parts.store, runner.parts.copies.path, free=lambda _folder: 0)
    try:
        assert "磁盘将满" in (await zh.get("/status")).text
        assert "The disk is nearly full" in (await en.get("/status")).text
    finally:
        runner.reserve = before


async def test_english_pages_are_whole(place: Place) -> None:
    """Every page draws in English, without a Chinese word of its own."""
    browser = await place.browser("he", lang="en-GB,en;q=0.9")
    for path in ("/", "/drafts", "/publications", "/log?day=none", "/refusals", "/channels", "/people", "/status", "/welcome"):
        page = await browser.get(path)
        assert page.status == 200
        assert 'lang="en"' in page.text
        assert "Sign" in page.text or "Main" in page.text


async def test_the_average_is_of_what_was_really_released(place: Place) -> None:
    """None is shown before the first release; afterwards hours from handing in to the first release, in page and API, emergencies aside."""
    lu, device = await place.browser("lu"), await place.device("lu")
    draft = await write(lu, TITLE, place.channel())
    assert "近30天平均" not in (await lu.post(f"/drafts/{draft}/check")).text
    assert (await device.send("POST", "/preflight", {"draft": draft})).json["average_hours"] is None
    publication = await publish(place, lu, "泵站巡检")
    async with place.parts.sessions.begin() as session:
        (row,) = await session.scalars(select(StageTimeRow))
        row.seconds = 3 * 3600
    await withdraw_at_once(place, "xu", publication)
    await place.caught_up()
    assert (await device.send("POST", "/preflight", {"draft": draft})).json["average_hours"] == 3
    assert "近30天平均 3 小时" in (await lu.post(f"/drafts/{draft}/check")).text
    async with place.parts.sessions.begin() as session:
        (row,) = await session.scalars(select(StageTimeRow))
        row.at = instants.plus(place.parts.now(), -31 * 86_400)
    assert (await device.send("POST", "/preflight", {"draft": draft})).json["average_hours"] is None


async def test_the_directory_is_read_again_after_every_change(place: Place) -> None:
    """Pages share one directory while the log stands still; a change, a rebuild and a log read anew each bring a new one."""
    browser = await place.browser("he")
    await browser.get("/people")
    first = place.parts.directory
    assert first is not None
    await browser.get("/channels")
    assert place.parts.directory is first
    await place.house.runner.submit(Request(
        command=c.Freeze(scope="all", target="", reason=place.house.parts.values.commit("演练")), actor=place.people("xu"), grade=Grade.COUNTER))
    await place.caught_up()
    await browser.get("/people")
    second = place.parts.directory
    assert second is not first
    await place.parts.follower.rebuild()
    assert place.parts.follower.changes > (second[0] if second else 0)
    while place.parts.follower.next < place.house.state.size:
        await place.parts.follower.step()
    assert "沈知远" in (await browser.get("/people")).text


def test_what_stops_a_draft_is_said_once() -> None:
    """That findings block, and that no channel is left, is not said beside the finding itself; by themselves both are."""
    finding = {"grade": "block", "code": "cover_missing"}
    blocked, empty = {"code": "blocking_findings", "detail": "cover_missing"}, {"code": "invalid", "detail": "targets"}
    unfiled = {"code": "channel_unfiled", "detail": "ch_1"}
    assert Look(findings=[finding], obstacles=[blocked, empty]).stands == []
    assert Look(findings=[finding], obstacles=[blocked, empty]).blocking == 1
    assert Look(obstacles=[unfiled, empty]).stands == [unfiled]
    assert Look(obstacles=[blocked]).stands == [blocked]
    assert Look(obstacles=[empty]).stands == [empty]


async def test_what_may_be_signed_together_is_grouped_as_at_the_counter(place: Place) -> None:
    """An ordinary item may be; one of which a check found a fact that its author had not declared is looked at by itself."""
    lu = await place.browser("lu")
    submission = await submit(lu, TITLE, place.channel())
    await place.caught_up()
    queue = (await (await place.browser("gu")).get("/")).text
    assert "需逐件" not in queue
    assert submission in queue[queue.index("可并签") :]
    async with place.parts.sessions() as session:
        row = (await session.scalars(select(SubmissionRow).where(SubmissionRow.id == submission))).one()
    assert together(row, ())
    row.facts = {**row.facts, "ai_generated": True, "found": ["ai_generated"]}
    assert not together(row, ())
