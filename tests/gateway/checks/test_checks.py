"""The checks: each bad draft has its finding, each good one has none, in a fixed order."""

import json
from dataclasses import replace
from datetime import date

import pytest

from gateway.canonical import sha256
from gateway.checks import CHECKS, GRADES, run_checks
from gateway.checks.weibo import units
from gateway.content import Content, Media, Source

MONDAY = date(2026, 11, 23)
ONE = sha256(b"one")
SAFE = {"safe_domains": "heting.example, news.example"}


def media(role: str = "cover", **changes) -> Media:
    return replace(Media(role=role, type="image/png", length=3, sha256=ONE, width=1, height=1, alt=""), **changes)


def draft(**changes) -> Content:
    """Return the demo's first article, changed without any validation, as a draft may be."""
    good = Content(
        title="秋收之后，我们把水管修到了地头", summary="", author="陆晓棠", source=Source(kind="original", name="", url=""),
        body="<p>入冬前，禾汀灌溉工程部在云岗村更换了4.2公里老旧支管。</p>", media=(media(),), links=(),
    )  # fmt: skip
    return replace(good, **changes)


def findings(content: Content, platform: str = "wechat", settings=None, day: date = MONDAY):
    return run_checks(content, facts=None, platform=platform, settings=settings or {}, day=day)


def codes(content: Content, platform: str = "wechat", **options) -> list[tuple[str, str]]:
    return [(finding.code, finding.grade) for finding in findings(content, platform, **options)]


def post(text: str, *, links: tuple[str, ...] = (), pictures: int = 0, **changes) -> Content:
    images = "".join(f'<img alt="" src="media:{sha256(bytes([at]))}">' for at in range(pictures))
    anchors = "".join(f'<a href="{link}">看</a>' for link in links)
    return draft(
        body=f"<p>{text}{anchors}{images}</p>", links=tuple(sorted(links)),
        media=tuple(media("body", sha256=sha256(bytes([at])), **changes) for at in range(pictures)),
    )  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), [
    ({}, []),
    ({"type": "image/gif"}, [("picture_not_for_articles", "confirm")]),
    ({"type": "image/webp"}, [("picture_not_for_articles", "confirm")]),
    ({"type": "image/jpeg", "length": (1 << 20) - 1}, []),
    ({"type": "image/jpeg", "length": 1 << 20}, [("picture_not_for_articles", "confirm")]),
])
def test_pictures_that_the_article_interface_does_not_take_are_said_before_anybody_signs(change, expected):
    """WeChat takes JPEG and PNG below 1 MB in an article; a GIF or a large picture has to be confirmed there, a cover or another platform's not."""
    content = draft(
        body=f'<p>好</p><p><img alt="" src="media:{sha256(b"b")}"></p>', media=(media(type="image/gif"), media("body", sha256=sha256(b"b"), **change)),
    )  # fmt: skip
    assert [code for code in codes(content) if code[0].startswith("picture")] == expected
    assert not [code for code in codes(content, "wordpress") if code[0] == "picture_not_for_articles"]
    for finding in findings(content):
        if finding.code.startswith("picture"):
            assert "正文第 1 张图" in finding.zh
            assert "Picture 1" in finding.en


@pytest.mark.parametrize("platform", ["wechat", "wordpress"])
def test_a_good_article_has_no_findings(platform):
    """The demo's ordinary article passes every check."""
    assert findings(draft(), platform) == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"title": ""}, [("title_missing", "block")]),
        ({"title": " "}, [("not_normal", "block"), ("title_missing", "block")]),
        ({"body": ""}, [("body_missing", "block")]),
        ({"media": ()}, [("cover_missing", "block")]),
        ({"source": Source(kind="", name="", url="")}, [("source_missing", "block")]),
        ({"source": Source(kind="contributed", name="", url="")}, [("source_name_missing", "block")]),
        ({"source": Source(kind="reprinted", name="", url="")}, [("source_name_missing", "block"), ("source_url_missing", "block")]),
        ({"source": Source(kind="compiled", name="临溪日报", url="https://a.example/")}, []),
        ({"title": "题" * 32}, []),
        ({"title": "题" * 33}, [("title_long", "confirm")]),
        ({"title": "题" * 64}, [("title_long", "confirm")]),
        ({"title": "题" * 65}, [("title_too_long", "block")]),
        ({"summary": "摘" * 121}, [("not_normal", "block")]),
        ({"author": "作" * 16}, []),
        ({"author": "作" * 17}, [("author_too_long", "block")]),
        ({"body": "<p>" + "字" * 19_992 + "</p>"}, []),
        ({"body": "<p>" + "字" * 19_993 + "</p>"}, [("body_too_long", "block")]),
        ({"body": "<div>x</div>"}, [("not_normal", "block"), ("body_missing", "block")]),
        ({"title": "裁\u200b员"}, [("invisible_character", "block")]),
        ({"author": "e\u0301"}, [("text_not_nfc", "block")]),
        ({"source": Source(kind="original", name="", url="javascript:1")}, [("link_refused", "block")]),
        ({"source": Source(kind="original", name="", url="https://a.example/" + "a" * 1010)}, [("source_url_too_long", "block")]),
    ],
)  # fmt: skip
def test_bad_drafts_have_their_finding(change, expected):
    """Each thing that is missing or too long is found with its grade."""
    assert codes(draft(**change)) == expected


def test_other_platforms_have_other_limits():
    """A website takes long bodies and no cover; a long title is a hint there, a missing picture asks for a look."""
    assert codes(draft(body="<p>" + "字" * 30_000 + "</p>"), "wordpress") == []
    assert codes(draft(title="题" * 33), "wordpress") == [("title_long", "hint")]
    assert codes(draft(title="题" * 65), "wordpress") == [("title_too_long", "block")]
    assert codes(draft(media=()), "wordpress") == [("picture_missing", "confirm")]


def test_a_wrong_weekday_is_found_and_one_click_settles_it():
    """The demo's prize-giving on a Thursday that is a Friday."""
    text = "颁奖仪式将于11月27日（星期四）在集团总部举行。"
    (found,) = findings(draft(body=f"<p>{text}</p>"))
    assert (found.code, found.grade, found.rule) == ("weekday_differs", "confirm", "R15.1")
    place = found.place
    assert text[place.start : place.end] == place.quote == "11月27日（星期四）"
    assert text[: place.start] + found.fix.replace_with + text[place.end :] == text.replace("星期四", "星期五")
    assert "星期五" in found.zh


@pytest.mark.parametrize(
    ("text", "day", "expected"),
    [
        ("11月27日（星期五）", MONDAY, None), ("11月27日(周五)", MONDAY, None), ("2025年11月27日（星期四）", MONDAY, None), ("11月29日 星期天", MONDAY, None),
        ("11月29日礼拜日", MONDAY, None), ("11月29日（周六）", MONDAY, "11月29日（周日）"), ("2026年11月27日星期四", MONDAY, "2026年11月27日星期五"),
        ("1月1日（星期五）", date(2026, 12, 30), None), ("12月31日（星期四）", date(2027, 1, 2), None), ("1月1日（星期四）", date(2026, 12, 30), "1月1日（星期五）"),
        ("2月29日（星期二）", date(2028, 1, 1), None), ("11月27日举行", MONDAY, None),
    ],
)  # fmt: skip
def test_weekdays_are_read_by_the_nearest_year(text, day, expected):
    """A date without a year is the one nearest to the day of publication."""
    found = findings(draft(title=text), day=day)
    assert [finding.fix.replace_with for finding in found] == ([expected] if expected else [])


@pytest.mark.parametrize("text", ["2月30日（星期一）", "13月1日（周一）", "0月0日（周一）", "0000年1月1日（周一）", "2026年2月29日（周日）"])
def test_days_that_do_not_exist_ask_for_a_look(text):
    """An impossible date is no crash and no silence."""
    assert codes(draft(title=text)) == [("date_impossible", "confirm")]


@pytest.mark.parametrize(
    ("text", "length"),
    [("", 0), ("a", 1), ("字", 2), ("a字", 3), ("https://heting.example/a/very/long/path", 20), ("看 https://a.example/ 吧", 26), ("https://a.example/，b", 23)],
)
def test_weibo_units(text, length):
    """ASCII counts one, the rest two, a link twenty."""
    assert units(text) == length


LINK = "https://news.heting.example/1"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (post("好", links=(LINK,), pictures=1), []),
        (post("好" * 128, links=(LINK,), pictures=1), []),
        (post("好" * 129, links=(LINK,), pictures=1), ["weibo_too_long"]),
        (post("好", pictures=1), ["weibo_link_missing"]),
        (post("好", links=("https://notheting.example/",), pictures=1), ["weibo_link_missing"]),
        (post("好", links=("https://heting.example.evil.example/",), pictures=1), ["weibo_link_missing"]),
        (post("好", links=("https://heting.example@evil.example/",), pictures=1), ["link_userinfo", "weibo_link_missing"]),
        (post("看 https://news.example/a", pictures=1), []),
        (post("看 https://[/", pictures=1), ["weibo_link_missing"]),
        (post("#秋收#好", links=(LINK,), pictures=1), ["weibo_topic"]),
        (post("＃秋收＃好", links=(LINK,), pictures=1), ["weibo_topic"]),
        (post("1# 2", links=(LINK,), pictures=1), []),
        (post("好 https://heting.example/#a https://heting.example/#b", pictures=1), []),
        (post("好", links=(LINK,), pictures=2), ["weibo_pictures"]),
        (post("好", links=(LINK,), pictures=1, length=5 * 1024 * 1024), ["weibo_picture_large"]),
        (post("好", links=(LINK,), pictures=1, length=5 * 1024 * 1024 - 1), []),
        (post("好", links=(LINK,), pictures=0), ["picture_missing"]),
    ],
)
def test_weibo(content, expected):
    """What the share interface would refuse is refused before anybody signs it."""
    assert [code for code, _ in codes(content, "weibo", settings=SAFE)] == expected


@pytest.mark.parametrize("settings", [{}, {"safe_domains": ""}, {"safe_domains": " , "}])
def test_weibo_without_safe_domains_is_refused(settings):
    """An empty list means no."""
    assert codes(post("好", links=(LINK,), pictures=1), "weibo", settings=settings) == [("weibo_no_safe_domain", "block")]


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://a.example/", []), ("https://user@a.example/", ["link_userinfo"]), ("https://www.bank.example@evil.example/", ["link_userinfo"]),
        ("https://xn--pple-43d.example/", ["link_idn"]), ("https://xn--99999999.example/", ["link_idn"]), ("http://127.0.0.1/", ["link_address"]),
        ("http://[::1]/", ["link_address"]), ("http://2130706433/", ["link_address"]), ("http://127.1/", ["link_address"]),
        ("https://u@xn--pple-43d.example/", ["link_userinfo", "link_idn"]),
    ],
)  # fmt: skip
def test_links_that_may_mislead_ask_for_a_look(link, expected):
    """User names, look-alike hosts and bare addresses are shown for what they are."""
    found = findings(draft(body=f'<p>字<a href="{link}">看</a></p>', links=(link,)))
    assert [finding.code for finding in found] == expected
    assert all(finding.grade == "confirm" for finding in found)


def test_a_look_alike_host_is_shown_in_its_letters():
    """The reader of the finding sees the letters that the browser would show."""
    (found,) = findings(draft(body='<p>字<a href="https://xn--pple-43d.example/">看</a></p>', links=("https://xn--pple-43d.example/",)))
    assert "\u0430pple" in found.zh


def test_an_unseen_character_is_named_with_its_place():
    """The finding shows where, and the fix deletes it."""
    (found,) = findings(draft(title="淡季裁\u200b员说明"))
    assert (found.place.start, found.place.end, found.fix.replace_with) == (3, 4, "")
    assert "裁[U+200B]员" in found.zh


def test_findings_are_the_same_each_time_and_in_the_order_of_the_registry():
    """Order and words depend on nothing but the input."""
    bad = draft(title="2月30日（周一）" * 8, body="<p>11月27日（星期四）#a#</p>", media=(), source=Source(kind="reprinted", name="", url=""))
    first = findings(bad, "weibo")
    assert first == findings(bad, "weibo")
    assert [name for name, _ in CHECKS] == ["normal", "required", "lengths", "pictures", "characters", "weekday", "links", "weibo"]
    assert [finding.code for finding in first][:2] == ["source_name_missing", "source_url_missing"]
    assert first[-1].code == "weibo_no_safe_domain"


def test_every_finding_speaks_both_languages_and_names_its_rule():
    """Chinese first with the article, English complete, a grade of the three, and a JSON value."""
    bad = draft(title="2月30日（周一）" * 8, author="e\u0301", links=("ftp://a/",), media=())
    for finding in findings(bad, "weibo"):
        assert finding.grade in GRADES
        assert finding.rule.startswith("R1")
        assert "《办法》第" in finding.zh
        assert "(article 1" in finding.en
        assert json.loads(json.dumps(finding.value()))["code"] == finding.code
