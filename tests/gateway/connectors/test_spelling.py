"""Pure parts: how text is spelt for WordPress, what a body says, Weibo's addresses, WeChat's view, forms and answers."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.connectors import multipart
from gateway.connectors.answers import json_object, text_of
from gateway.connectors.base import PlatformRefused
from gateway.connectors.bodies import read
from gateway.connectors.transport import Reply
from gateway.connectors.wechat import normaliser as wechat
from gateway.connectors.wechat.published import deletion
from gateway.connectors.weibo import normaliser as weibo
from gateway.connectors.wordpress.literal import literal, literal_html
from gateway.content import escape_text


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60))
def test_literal_reads_back_as_the_text(text: str) -> None:
    """Whatever the text, a browser reads the spelling as that text, and no bare ASCII punctuation is left to act on."""
    spelt = literal(text)
    assert html.unescape(spelt) == text
    assert not re.search(r"[!-/:-@\[-`{-~]", re.sub(r"&#\d{3};", "", spelt))


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40))
def test_literal_html_keeps_tags_and_text(text: str) -> None:
    """In a body the tags stay as they are and the text reads the same; a cut inside a tag harms nothing."""
    whole = f'<p style="color:#333333">{escape_text(text)}</p><p><img alt="a" src="'
    spelt = literal_html(whole)
    assert spelt.startswith('<p style="color:#333333">')
    assert spelt.endswith('</p><p><img alt="a" src="')
    assert read(spelt + '">').text == re.sub(r"\s+", "", text)
    assert literal_html(f'"></p><p>{escape_text(text)}</p>').startswith('"></p><p>')


def test_what_a_body_says() -> None:
    """Text without white space, links and pictures in order, and what is active."""
    seen = read('<p> 一 <a href="https://a.example/?x=1&amp;y=2">二</a></p><img src="//p/1"><img data-src="//p/2"><p onclick="x">&lt;b&gt;</p>')
    assert seen.text == "一二<b>"
    assert seen.links == ("https://a.example/?x=1&y=2",)
    assert seen.pictures == ("//p/1", "//p/2")
    assert seen.active == ("p",)
    assert read("<script>a</script><iframe></iframe>").active == ("script", "iframe")


@pytest.mark.parametrize(("mid", "code"), [
    ("3491273850170657", "yCirT0Iox"), ("3512191498379699", "z579Hz9Wr"), ("4331051486294436", "Hd1N2qpta"), ("0", "0"),
    ("3500330408906190", "z08AUBmUe"),
])
def test_weibo_base62(mid: str, code: str) -> None:
    """Ids are spelt as Weibo's pages spell them (pairs published with the rule), short groups filled up with zeros."""
    assert weibo.base62(mid) == code


def test_weibo_addresses() -> None:
    """On the real host the public page is on weibo.com; on a sandbox it is the sandbox's."""
    assert weibo.address("https://api.weibo.com", "1", "3491273850170657") == "https://weibo.com/1/yCirT0Iox"
    assert weibo.address("http://127.0.0.1:1", "1", "22") == "http://127.0.0.1:1/1/22"


def test_weibo_ids_are_texts_only() -> None:
    """The rounded number is never used as an id."""
    assert weibo.number({"id": 3504803600500000, "idstr": "3504803600502730"}) == "3504803600502730"
    assert weibo.number({"id": 3504803600500000, "mid": "3504803600502730"}) == "3504803600502730"
    assert weibo.number({"id": 3504803600500000}) == ""


def test_weibo_texts_match_with_links_masked() -> None:
    """A short link stands for any link, but not for none; other words differ; a missing picture differs."""
    assert weibo.same({"text": "换管&amp;修渠 http://t.cn/AbC"}, "换管&修渠 https://example.com/n/1", picture=False)
    assert not weibo.same({"text": "换管&amp;修渠"}, "换管&修渠 https://example.com/n/1", picture=False)
    assert not weibo.same({"text": "换管！ http://t.cn/AbC"}, "换管。 https://example.com/n/1", picture=False)
    assert not weibo.same({"text": "换管"}, "换管", picture=True)


ARTICLE = {
    "title": "题", "author": "人", "digest": "摘要", "content": '<p>文<a href="https://a.example/">去</a><img src="http://mmbiz.qpic.cn/a/0"></p>',
    "content_source_url": "", "thumb_media_id": "M", "need_open_comment": 0, "only_fans_can_comment": 0, "show_cover_pic": 0,
}


@pytest.mark.parametrize(("change", "where"), [
    ({"title": "题目"}, "title"), ({"author": ""}, "author"), ({"digest": "别的"}, "digest"), ({"thumb_media_id": "N"}, "thumb_media_id"),
    ({"need_open_comment": 1}, "need_open_comment"), ({"only_fans_can_comment": 1}, "only_fans_can_comment"),
    ({"content_source_url": "https://b.example/"}, "content_source_url"), ({"content": "<p>文</p>"}, "text"),
    ({"content": ARTICLE["content"].replace("a.example", "b.example")}, "links"),
    ({"content": ARTICLE["content"].replace("/a/0", "/b/0")}, "pictures"),
    ({"content": ARTICLE["content"] + "<script></script>"}, "active"),
])
def test_wechat_normaliser_sees_each_field(change: dict[str, object], where: str) -> None:
    """A difference in any governed field is named."""
    assert wechat.differs(wechat.view(ARTICLE), wechat.view(ARTICLE | change)) == where


def test_wechat_normaliser_forgives_only_spelling() -> None:
    """Scheme, query and attributes of a picture, quoting and white space may change."""
    shown = ARTICLE | {"content": "<section><p style='x'>文 <a href='https://a.example/'>去</a>\n<img class='rich' data-src='https://mmbiz.qpic.cn/a/0?wx_fmt=jpeg' /></p></section>"}
    assert wechat.differs(wechat.view(ARTICLE), wechat.view(shown)) is None


def test_wechat_one_article_only() -> None:
    """A draft to which somebody added an article is refused."""
    with pytest.raises(PlatformRefused):
        wechat.only_article({"news_item": [ARTICLE, ARTICLE]})
    with pytest.raises(PlatformRefused):
        wechat.only_article({"news_item": []})


@pytest.mark.parametrize(("article_id", "index"), [("a", 0), ("a", -1), ("", 1)])
def test_wechat_never_deletes_all(article_id: str, index: int) -> None:
    """Index 0 deletes every article on WeChat, so such an order cannot be made."""
    with pytest.raises(ValueError):
        deletion(article_id, index)
    assert deletion("a", 1) == {"article_id": "a", "index": 1}


def test_forms_hold_fields_and_bytes() -> None:
    """A form is readable by the standard library's parser."""
    import email.parser
    import email.policy

    file = multipart.File(field="media", name="a.jpg", type="image/jpeg", data=b"\xff\xd8\r\n--x")
    content_type, body = multipart.encode({"status": "换管"}, file)
    parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    first, second = parsed.iter_parts()
    assert first.get_payload(decode=True).decode() == "换管"
    assert second.get_filename() == "a.jpg"
    assert second.get_payload(decode=True) == b"\xff\xd8\r\n--x"


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"null", b"{", b"\xff", b'"x"', b"[" * 100_000])
def test_only_objects_are_answers(body: bytes) -> None:
    """Anything but a JSON object is no answer."""
    assert json_object(Reply(status=200, headers={}, body=body)) is None


def test_ids_are_texts_or_whole_numbers() -> None:
    """Numbers become texts; booleans, floats and lists do not."""
    assert (text_of(2650177668), text_of("x"), text_of(True), text_of(1.5), text_of([])) == ("2650177668", "x", "", "", "")
