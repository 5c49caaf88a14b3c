"""Pages: each answers in both languages, for each person, with what the log says."""

from __future__ import annotations

import re

import pytest

from gateway.enforcer.counter.parts import FOLDER, WORDS
from gateway.protocol import commands as c
from tests.gateway.enforcer.counter.kit import Front
from tests.gateway.enforcer.house import article

PAGES = ("/s/", "/s/list", "/s/receipts", "/s/stops", "/s/devices", "/i/changes")


async def submitted(front: Front, **over: object) -> str:
    """Submit one article by 陆晓棠, with findings as the enforcer stores them."""
    house = front.house
    blob = house.runner.blobs.put(b'{"findings":[],"v":1}')
    given = {"findings": c.FindingCounts(block=0, confirm=0, hint=0, blob=blob), **over}
    return await house.submit(article(cover=house.cover()), "news", **given)


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_every_page_answers_in_both_languages(front: Front, lang: str) -> None:
    """Queue, item, list, receipts, stops, devices and changes answer 200, in the language asked for."""
    submission = await submitted(front)
    person = front.signed_in("gu", inside=True, lang=lang)
    for path in (*PAGES, f"/s/item/{submission}", f"/s/item/{submission}?view=compare", f"/s/item/{submission}?view=pictures"):
        answer = await person.get(path)
        assert answer.status == 200, (path, person.text[:3000])
        assert f'lang="{"zh-CN" if lang == "zh" else "en"}"' in person.text
    for path in ("/s/signin", "/s/enrol", "/s/recover"):
        stranger = front.browser(inside=True, lang=lang)
        assert (await stranger.get(path)).status == 200, stranger.text[:2000]


async def test_approve_then_release_through_the_pages(front: Front) -> None:
    """An approval and a release, each by one code over one sheet, make decisions in the log and a token."""
    submission = await submitted(front)
    head, brand = front.signed_in("gu"), front.signed_in("fang")
    answer = await head.sign("gu", submission)
    assert answer.status == 303, head.text[:3000]
    await head.get(answer.headers["Location"])
    assert "已同意" in head.text
    assert "品牌公关部放行" in head.text
    answer = await brand.sign("fang", submission)
    assert answer.status == 303, brand.text[:3000]
    await brand.get(answer.headers["Location"])
    assert "已放行" in brand.text
    assert front.house.state.submissions[submission].state.value == "released"


def test_both_languages_hold_the_same_keys() -> None:
    """Chinese and English have the same keys, and no words are empty."""
    assert WORDS.words["zh"].keys() == WORDS.words["en"].keys()
    assert all(text for words in WORDS.words.values() for text in words.values())


def test_every_key_a_page_names_has_words_and_every_word_is_named() -> None:
    """Literal keys of the templates stand in the catalogue; each key is named by a template, whole or by its beginning."""
    source = "".join(path.read_text(encoding="utf-8") for path in sorted((FOLDER / "templates").glob("*.html")))
    literal = {key for key in re.findall(r"\bt\('([a-z_0-9.]+)'(?!\s*~)", source) if not key.endswith((".", "_"))}
    prefixes = tuple(re.findall(r"\bt\('([a-z_0-9.]+[._])'\s*~", source))
    named = set(re.findall(r"'([a-z_0-9]+\.[a-z_0-9.]+)'", source)) | {key for key in WORDS.words["zh"] if key.startswith(prefixes)}
    assert literal <= WORDS.words["zh"].keys()
    assert WORDS.words["zh"].keys() <= named
