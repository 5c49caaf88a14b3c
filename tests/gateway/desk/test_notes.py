"""Notes of a return in their one shape, suggestions taken over, and the preview that is what the counter shows."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.connectors.base import Template
from gateway.content import recognise
from gateway.desk.console.notes import Text, place_of, taken_over
from gateway.desk.drafts.form import DraftForm, SourceForm
from gateway.enforcer.counter import rendition
from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from gateway.protocol.notes import Note, Notes
from tests.gateway.desk.conftest import Browser, Place
from tests.gateway.desk.story import hand_in, submission_of, write

TITLE = "秋收之后，我们把水管修到了地头"
BODY = "<p>颁奖仪式将于11月27日（<strong>星期四</strong>）举行。</p><p>村里用水4公里，另有4公里。</p>"


def text(body: str = BODY, **form: Any) -> Text:
    """Return a draft's words."""
    return Text(form=DraftForm(**{"title": "比武落幕", **form}), body=body)


def suggestion(quote: str, replace_with: str, *, field: str = "body", start: int | None = None, within: Text | None = None) -> Note:
    """Return a suggestion at the first place where `quote` stands."""
    at = (within or text()).of(field).index(quote) if start is None else start
    return Note(field=field, start=at, quote=quote, replace_with=replace_with)


def test_a_suggestion_changes_its_words_and_no_tag() -> None:
    """In the body the markup stays, in a field the rest of the line; what then stands there is normal."""
    after = taken_over([suggestion("星期四", "星期五"), suggestion("落幕", "收官", field="title")], text())
    assert after is not None
    assert after.body == BODY.replace("星期四", "星期五")
    assert after.form.title == "比武收官"
    source = text(source=SourceForm(kind="contributed", name="云岗村委"))
    after = taken_over([suggestion("村委", "村委会", field="source.name", within=source)], source)
    assert after is not None
    assert (after.form.source.name, after.form.source.kind) == ("云岗村委会", "contributed")


def test_a_body_is_read_once_for_all_its_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack on the desk's time: forty suggestions about the longest body; which of them are open is told from one reading."""
    body = "<p>" + "更换了老旧支管，" * 3_000 + "</p>"
    read: list[int] = []

    def counting(html: str) -> Any:
        read.append(len(html))
        return recognise(html)

    monkeypatch.setattr("gateway.desk.console.notes.recognise", counting)
    long = text(body)
    found = [place_of(suggestion("更换", "换", start=8 * number, within=long), text(body)) for number in range(40)]
    assert found == [8 * number for number in range(40)]
    assert len(read) == 1


def test_all_at_once_keep_their_places() -> None:
    """Two suggestions about equal words each change their own; one to leave words out takes them away."""
    words = text().of("body")
    first, second = words.index("4公里"), words.rindex("4公里")
    notes = [suggestion("4公里", "4.2公里", start=first), suggestion("，另有4公里", "", start=second - 3), Note(note="只是一句话")]
    after = taken_over(notes, text())
    assert after is not None
    assert recognise(after.body).text.endswith("村里用水4.2公里。")


@pytest.mark.parametrize(("quote", "replace_with"), [("星期四", "星期五"), ("星期四", "星期四上午"), ("11月27日", "2026年11月27日"), ("4公里，", "")])
def test_a_suggestion_is_taken_over_once(quote: str, replace_with: str) -> None:
    """A second click finds it done, also where the new words hold the old ones or the same words stand elsewhere."""
    note = suggestion(quote, replace_with)
    after = taken_over([note], text())
    assert after is not None
    assert place_of(note, after) is None
    assert taken_over([note], after) is None


def test_what_was_changed_since_is_left_alone() -> None:
    """Words that moved are found where they stand once; words that stand twice elsewhere, or nowhere, are not guessed at."""
    note = suggestion("星期四", "星期五")
    assert place_of(note, text("<p>新写的一句。</p>" + BODY)) is not None
    assert place_of(note, text("<p>星期三</p>")) is None
    assert place_of(note, text("<p>甲星期四乙星期四</p>")) is None
    assert place_of(suggestion("4公里，", ""), text("<p>甲4公里，乙</p>")) is None
    assert place_of(note, text("<p onclick=x>星期四</p>")) is None
    assert place_of(Note(note="一句话"), text()) is None
    assert taken_over([suggestion("落幕", "x" * 400, field="title")], text()) is None
    assert taken_over([suggestion("举行。\n村里", "举行，村里")], text()) is None


async def returned(place: Place, browser: Browser, notes: bytes) -> tuple[str, str]:
    """Hand a draft in and send it back with notes; return draft and submission."""
    draft = await write(browser, TITLE, place.channel(), html=BODY)
    submission = submission_of(await hand_in(browser, draft))
    blob = place.house.runner.blobs.put(notes)
    await place.house.do(c.Return(submission=submission, revision=1, reason="wording", notes=blob), "gu", Grade.COUNTER)
    await place.caught_up()
    return draft, submission


async def take(browser: Browser, draft: str, note: str, version: int) -> str:
    """Press 采用建议 and return what the editor says then."""
    answer = await browser.post(f"/drafts/{draft}/suggestions", {"note": note, "version": str(version)})
    assert answer.status == 303
    return answer.location.rsplit("=", 1)[1]


async def test_one_click_takes_a_suggestion_over(place: Place) -> None:
    """The page offers it, one click puts it into the draft, a stale or repeated click changes nothing, and the next revision carries it."""
    lu, device = await place.browser("lu"), await place.device("lu")
    notes = Notes(text="两处", notes=(suggestion("星期四", "星期五"), suggestion("落幕", "x", field="title", start=0), suggestion("11月", "10月")))
    draft, submission = await returned(place, lu, notes.to_bytes())
    page = (await lu.get(f"/drafts/{draft}")).text
    assert page.count("采用建议</button>") == 2
    assert "采用全部 2 条建议" in page
    assert "已采用，或这里已改过" in page
    assert await take(lu, draft, "0", 1) == "stale"
    assert await take(lu, draft, "1", 2) == "gone"
    assert await take(lu, draft, "7", 2) == "gone"
    assert await take(lu, draft, "0", 2) == "done"
    assert await take(lu, draft, "0", 3) == "gone"
    assert await take(lu, draft, "all", 3) == "done"
    row = await place.parts.drafts.get(draft, place.people("lu"))
    assert "10月27日（<strong>星期五</strong>）" in row.body
    assert row.version == 4
    assert (await (await place.browser("lin")).post(f"/drafts/{draft}/suggestions", {"note": "all", "version": "4"})).status == 404
    found = (await device.send("GET", f"/submissions/{submission}")).json
    assert found["returned"]["text"] == "两处"
    assert found["notes"][0] == {"field": "body", "start": notes.notes[0].start, "quote": "星期四", "note": "", "replace_with": "星期五"}
    body = {"command": "submit-00001", "draft": draft, "version": 4}
    blind = await device.send("POST", "/submissions", body)
    assert (blind.status, blind.json["code"]) == (409, "stale_view")
    assert (await device.send("POST", "/submissions", {**body, "expected": found["seq"], "command": "submit-00002"})).status == 201
    assert place.house.state.submissions[submission].revision == 2
    assert (await lu.get(f"/submissions/{submission}")).text.count("采用建议") == 0
    assert await take(lu, draft, "0", 4) == "gone"  # in review: its notes are those of an earlier revision


@pytest.mark.parametrize("blob", [
    b"", b"[]", b'{"notes":[{"quote":"x","note":"y"}]}', b'{"notes": [], "text": "", "v": 1}', b'{"notes":[],"text":"","v":2}', b"\xff",
])
async def test_notes_of_any_other_shape_are_none(place: Place, blob: bytes) -> None:
    """What is not exactly the one shape is read as no notes; pages and API still answer."""
    lu, device = await place.browser("lu"), await place.device("lu")
    draft, submission = await returned(place, lu, blob)
    page = await lu.get(f"/drafts/{draft}")
    assert page.status == 200
    assert "<blockquote" not in page.text
    assert (await device.send("GET", f"/submissions/{submission}")).json["notes"] == []


async def test_the_preview_is_what_the_counter_shows(place: Place) -> None:
    """The same document as the counter's of the template that is then submitted, but for the pictures' address; without the enforcer plain."""
    lu = await place.browser("lu")
    both = (place.channel(), place.channel("wechat_group"))
    draft = await write(lu, TITLE, *both, html=BODY + "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>")
    shown = {channel: await lu.get(f"/drafts/{draft}/preview?channel={channel}") for channel in both}
    submission = submission_of(await hand_in(lu, draft))
    for target in place.house.state.submissions[submission].targets:
        template = Template.parse(place.house.runner.blobs.get(target.template))
        page, name = shown[target.channel], place.house.state.channels[target.channel].name
        assert page.text == rendition.document(template, name, "/pictures/")
        assert page.text.replace("/pictures/", "/s/media/") == rendition.document(template, name)
        assert "sandbox allow-same-origin" in page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "<script" not in page.text
    picture = shown[both[0]].text.split('src="')[1].split('"')[0]
    assert (await lu.get(picture)).status == 200
    assert (await (await place.browser("lin")).get(f"/drafts/{draft}/preview")).status == 404


async def test_a_preview_that_cannot_be_had_says_so(place: Place) -> None:
    """No channel, a text the channel cannot take, a content that is none, no enforcer: the plain form, with the reason, never a fault."""
    lu = await place.browser("lu")
    draft = await write(lu, TITLE)
    assert "选了渠道后" in (await lu.get(f"/drafts/{draft}/preview")).text
    long = await write(lu, "长" * 80, place.channel())
    assert "还不能按该渠道生成" in (await lu.get(f"/drafts/{long}/preview")).text
    untitled = await write(lu, "", place.channel())
    assert "还不能按该渠道生成" in (await lu.get(f"/drafts/{untitled}/preview")).text
    good = await write(lu, TITLE, place.channel())
    await place.cut_off()
    page = await lu.get(f"/drafts/{good}/preview")
    assert page.status == 200
    assert "签发服务暂时不可用" in page.text
    assert "支管" in page.text
