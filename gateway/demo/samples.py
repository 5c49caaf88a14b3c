"""Samples of every state, so that no page of the demo is empty: a queue, a 待核实, a 已冻结, an 异动, a 被拦截."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from gateway.demo.company import D1, D2, SampleArticle

if TYPE_CHECKING:
    from gateway.demo.play import Story

VILLAGES: Final = ("云岗村", "柳溪村", "石桥村", "杏林村", "北坡村", "河湾村", "枣园村", "白塔村", "南圩村", "青石村")
QUEUE: Final = 30


def variant(number: int) -> SampleArticle:
    """Return D1 by another place and number."""
    village, kilometres = VILLAGES[number % len(VILLAGES)], f"{3 + number % 7}.{number % 10}"
    paragraphs = tuple(p.replace("云岗村", village).replace("4.2", kilometres) for p in D1.paragraphs)
    return SampleArticle(f"{village}{kilometres}公里新支管通水", f"{village}更换老旧支管", paragraphs, village)


async def add_samples(story: Story) -> None:
    """Add them over the same interfaces."""
    await _unknown(story)
    await _queue(story)
    await _drift(story)
    await _frozen(story)


async def _unknown(story: Story) -> None:
    """A reply lost after the effect: 待核实."""
    await story.stage.ask("POST", "/faults", {
        "platform": "wechat", "kind": "fail_after", "endpoint": "freepublish/submit", "how": "reset",
    })
    lu, gu = story.players["lu"], story.players["gu"]
    submission = await _hand_in(story, SampleArticle("灌区冬修启动", "冬修启动", D1.paragraphs, "冬修"), "wechat_unit")
    await gu.sign(submission)
    await lu.sign(submission)
    await story.end_of(lu, submission)


async def _hand_in(story: Story, article: SampleArticle, *keys: str) -> str:
    lu = story.players["lu"]
    _status, answer = await lu.submit(await lu.draft(article, *(story.target(key) for key in keys)))
    submission: str = answer["submission"]
    return submission


async def _queue(story: Story) -> None:
    """Thirty items that wait for somebody."""
    for number in range(QUEUE):
        await _hand_in(story, variant(number), "wechat_unit" if number % 3 else "wechat_group")


async def _drift(story: Story) -> None:
    """An exclamation mark that somebody set on the site, by hand."""
    site = story.stage.site
    page: dict[str, Any] | None = next((p for p in story.publications if story.platform(p["channel"]) == "wordpress"), None)
    if site is None or page is None:
        return
    post = max(site.posts(), key=lambda p: int(p["ID"]))
    await asyncio.to_thread(site.edit_by_hand, post["ID"], post_title=D2.title + "！")


async def _frozen(story: Story) -> None:
    """A frozen channel with something waiting behind it."""
    await _hand_in(story, replace(variant(QUEUE), link="https://www.heting.example/pipes"), "weibo_group")
    await story.players["xu"].freeze(story.channel["weibo_group"], "等待舆情研判")
