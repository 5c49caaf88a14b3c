"""Words for people: every code a connector can meet has both languages and a next step."""

from __future__ import annotations

import re

import pytest

from gateway.connectors.wechat import words as wechat
from gateway.connectors.weibo import words as weibo
from gateway.connectors.wordpress import words as wordpress

ASKED = [-1, 40001, 40007, 40013, 40125, 40164, 42001, 45002, 45003, 45004, 45009, 45011, 45028, 48001, 50004, 53503, 53504, 53505]


@pytest.mark.parametrize("code", ASKED)
def test_wechat_codes_have_words(code: int) -> None:
    """Each of the codes people meet is explained, in Chinese first."""
    zh, en = wechat.words(code)
    assert re.search("请|后再|后会再", zh)
    assert en
    assert "错误码" not in zh


@pytest.mark.parametrize("table", [wechat.WORDS, weibo.WORDS, wordpress.WORDS])
def test_every_entry_is_whole(table: dict[object, tuple[str, str]]) -> None:
    """Chinese holds Chinese and ends with a full stop; English is ASCII but for its punctuation."""
    for code, (zh, en) in table.items():
        assert re.search("[\u4e00-\u9fff]", zh), code
        assert zh.endswith("。"), code
        assert en.endswith("."), code
        assert not re.search("[\u4e00-\u9fff]", en), code


def test_an_unknown_code_is_named() -> None:
    """A code that nobody knows is shown, with whom to ask."""
    for words in (wechat.words, weibo.words):
        zh, en = words(98765)
        assert "98765" in zh
        assert "98765" in en
        assert "系统管理员" in zh
    assert "odd_code" in wordpress.words("odd_code")[0]


def test_40164_names_the_address_to_allow() -> None:
    """WeChat says which address it saw; only a real address is passed on."""
    zh, en = wechat.words(40164, "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 1-2-3")
    assert "203.0.113.7" in zh
    assert "203.0.113.7" in en
    assert "需加入" not in wechat.words(40164, "invalid ip 9.9.9.9.evil")[0]
    assert "需加入" not in wechat.words(40164, "")[0]
