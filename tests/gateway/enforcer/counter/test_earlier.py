"""What was handed in, and what earlier revisions brought out, as the counter shows them to those who decide."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.canonical import Digest
from gateway.content import Content
from gateway.enforcer.counter.shown import print8
from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from tests.gateway.enforcer.counter.kit import Front, counter_over
from tests.gateway.enforcer.house import House, article

ADDRESS = "https://news.heting.example/101"


@pytest.fixture
async def front(house: House, tmp_path: Path) -> AsyncIterator[Front]:
    """Open the counter of a house whose people keep their passkeys; its timers stand still."""
    await house.lifecycle._stop_timers()
    async with counter_over(house, tmp_path) as opened:
        yield opened




async def send(front: Front, publication: str, outcome: str, **data: str) -> None:
    """Bring a publication to its end by the gate's own commands; nothing is sent."""
    house, found = front.house, front.house.state.publications[publication]
    await house.runner.system(c.Spend(
        publication=publication, jti=found.jti, epoch=found.epoch, operation=found.operation, channel=found.channel, previous=found.previous,
        credential_version=found.credential, content=Digest(found.content) if found.content else None, template=Digest(found.template)))
    await house.runner.system(c.Dispatch(publication=publication, credential_version=found.credential))
    await house.runner.system(c.RecordOutcome(publication=publication, outcome=outcome, data=data))  # type: ignore[arg-type] # one of the six


async def partly_out(front: Front, content: Content, outcome: str = "live") -> tuple[str, str]:
    """Hand in for two channels, send on the first, stop and take back the second; return submission and the first's publication."""
    house = front.house
    await house.add_channel("site", "wechat", "wx1a2b3c4d5e6f7081", {"appid": "wx1a2b3c4d5e6f7081", "secret": "8d0e6c1f2b3a49578d0e6c1f2b3a4957"})
    submission = await house.submit(content, "site", "news")
    sent, other = await house.release(submission)
    await house.do(c.Stop(publication=other), "fang", Grade.COUNTER)
    await send(front, sent, outcome, **({"id": "101", "url": ADDRESS} if outcome == "live" else {"code": "refused"}))
    await house.do(c.Recall(submission=submission), "lu", Grade.DESK)
    return submission, sent


async def revise(front: Front, submission: str, content: Content) -> None:
    """Hand the next revision in for what is left."""
    await front.house.submit(content, "news", submission=submission)


@pytest.mark.parametrize(("lang", "out", "other", "sheet"), [
    ("zh", "「site」已按第1稿发出", "与第2稿内容不同；本次签发不改动它", "「site」已按第1稿发出，不在这次签发之内"),
    ("en", "“site” went out as revision 1", "The content is not that of revision 2", "“site” went out as revision 1 and is no part of what you sign"),
])
async def test_who_decides_about_a_later_revision_sees_what_is_out_already(front: Front, lang: str, out: str, other: str, sheet: str) -> None:
    """Beside the verdict on wide and narrow pages, with the comparison and the live page, and again on the sheet; never on a list unread."""
    before = article(cover=front.house.cover())
    submission, _ = await partly_out(front, before)
    await revise(front, submission, article("秋收之后，改过的标题", cover=front.house.cover()))
    for who in ("gu", "lu"):
        person = front.signed_in(who, lang=lang)
        await person.get(f"/s/item/{submission}")
        assert person.text.count(out) == 2, person.text[:3000]
        assert person.text.count(other) == 2
        assert f'href="{ADDRESS}"' in person.text
    head = front.signed_in("gu", lang=lang)
    await head.get(f"/s/item/{submission}")
    path = re.search(r'href="(\?view=compare&amp;base=1&amp;channel=[^"]+)"', head.text)
    assert path is not None
    await head.get(f"/s/item/{submission}{path.group(1).replace('&amp;', '&')}")
    assert "改过的标题" in head.text
    assert "<del>" in head.text
    await head.sheet(submission)
    assert sheet in head.text
    await head.get("/s/")
    assert {"zh": "别处已按前一稿发出", "en": "out elsewhere in an earlier revision"}[lang] in head.text
    assert (await head.post("/s/list/add", {"submission": submission})).status == 409


async def test_the_same_content_is_said_to_be_the_same(front: Front) -> None:
    """Handed in again as it was: no difference is claimed and nothing is offered for comparison."""
    content = article(cover=front.house.cover())
    submission, _ = await partly_out(front, content)
    await revise(front, submission, content)
    person = front.signed_in("gu")
    await person.get(f"/s/item/{submission}")
    assert person.text.count("「site」已按第1稿发出") == 2
    assert "与第2稿内容相同" in person.text
    assert "base=1" not in person.text


async def test_what_was_taken_down_since_is_said_to_be_down(front: Front) -> None:
    """A withdrawal of its own took the first revision down: it went out, and it is no longer there to look at."""
    house, content = front.house, article(cover=front.house.cover())
    submission, sent = await partly_out(front, content)
    await revise(front, submission, replace(content, title="秋收之后"))
    [down] = await house.release(await house.submit(None, "site", operation="withdraw", previous=sent))
    await send(front, down, "gone", id="101")
    person = front.signed_in("gu")
    await person.get(f"/s/item/{submission}")
    assert "「site」已按第1稿发出" in person.text
    assert "已被撤稿" in person.text
    assert ADDRESS not in person.text


async def test_what_never_went_out_is_not_said_to_be_out(front: Front) -> None:
    """The platform refused the first revision: the second has nothing beside it, whatever revision the address names."""
    content = article(cover=front.house.cover())
    submission, _ = await partly_out(front, content, "rejected")
    await front.house.submit(replace(content, title="秋收之后"), "site", "news", submission=submission)
    person = front.signed_in("gu")
    for query in ("", "?view=compare&base=1", "?view=compare&base=2", "?view=compare&base=99999", "?view=compare&base=-1", "?view=compare&base=%E4%B8%80"):
        assert (await person.get(f"/s/item/{submission}{query}")).status == 200
        assert "已按第1稿发出" not in person.text


async def test_author_and_head_read_what_the_enforcer_took_not_what_the_desk_told(front: Front) -> None:
    """Attack: a desk hands in another text than its author sees there. The counter shows both of them the text and print that were taken."""
    written, handed = article(cover=front.house.cover()), article("秋收之后，水费涨了一倍", cover=front.house.cover())
    front.house.put_content(written)
    submission = await front.house.submit(handed, "news", draft="the draft whose desk page says otherwise")
    digest = front.house.state.submissions[submission].content
    for who in ("lu", "gu"):
        person = front.signed_in(who)
        await person.get(f"/s/item/{submission}")
        assert print8(digest) in person.text
        assert "水费涨了一倍" in person.text
        assert print8(front.house.put_content(written)) not in person.text
