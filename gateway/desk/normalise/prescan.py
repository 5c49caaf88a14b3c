"""A look at the raw source before any parser sees it, so that no input can make a parser slow.

HTML parsers are linear on what people write and worse than linear on what attackers write: deep nesting, unclosed
formatting elements that are opened again in every paragraph, thousands of attributes in one tag. One cheap pass estimates
that work and refuses; it may refuse what a browser would show, never what an editor makes.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.desk.normalise.report import NormaliseRefused

MAX_RAW: Final = 60 * 1024 * 1024
MAX_SOURCE: Final = 1024 * 1024
MAX_TAGS: Final = 40_000
MAX_NESTING: Final = 180
MAX_WORK: Final = 1_500_000
MAX_TAG_LENGTH: Final = 32 * 1024

_TAG: Final = re.compile("<(/?)([a-zA-Z][a-zA-Z0-9:_-]{0,40})")
_INLINE: Final = re.compile(
    r"""(=[ \t\n]{0,4}["']?|url\([ \t\n]{0,4}["']?)data:(image/[a-z0-9.+-]{1,20});base64,([A-Za-z0-9+/=%\s]++)""", re.IGNORECASE
)
_CLOSE_THEMSELVES: Final = frozenset({"p", "li", "dd", "dt"})
_VOID: Final = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "keygen",
        "basefont",
        "bgsound",
        "frame",
    ]
)
_FORMATTING: Final = frozenset(["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"])
INLINE_PREFIX: Final = "qf-inline:"


def lift_pictures(source: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the source with data: pictures in attributes replaced by `qf-inline:N`, and the (type, base64) they held.

    Raises:
        NormaliseRefused: `too_large`, the source is longer than 60 MB.
    """
    if len(source) > MAX_RAW:
        raise _too_large()
    found: list[tuple[str, str]] = []

    def lift(match: re.Match[str]) -> str:
        found.append((match[2].lower(), match[3]))
        return f"{match[1]}{INLINE_PREFIX}{len(found) - 1}"

    return _INLINE.sub(lift, source), found


def prescan(source: str) -> None:
    """Refuse a source that could keep a parser busy; linear in its length.

    Raises:
        NormaliseRefused: `too_large` (over 1 MB in UTF-8 without its pictures), `too_deep`, `too_many_tags`, `tag_too_long`.
    """
    if len(source) > MAX_SOURCE or len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE:
        raise _too_large()
    depth = work = formatting = at = 0
    open_formatting: dict[str, int] = {}
    for tags, tag in enumerate(_TAG.finditer(source)):
        name = tag[2].lower()
        step = -1 if tag[1] else 1
        if name in _FORMATTING:
            count = open_formatting.get(name, 0)
            if count + step >= 0:
                open_formatting[name] = count + step
                formatting += step
        if name not in _CLOSE_THEMSELVES and name not in _VOID:
            depth = max(0, depth + step)
        work += depth + formatting
        if depth > MAX_NESTING or formatting > MAX_NESTING:
            raise _too_deep()
        if tags > MAX_TAGS or work > MAX_WORK:
            raise _too_many()
        if tag.start() - at > MAX_TAG_LENGTH:
            _judge_stretch(source, at, tag.start())
        at = tag.start()
    if len(source) - at > MAX_TAG_LENGTH:
        _judge_stretch(source, at, len(source))


def _judge_stretch(source: str, start: int, end: int) -> None:
    """Refuse a stretch without a tag that could be one tag with thousands of attributes: long, and full of breaks."""
    stretch = source[start:end]
    if _LOOKS_LIKE_TAG.match(stretch) and sum(map(stretch.count, " \t\n\f/\"'")) > 2000 and not _CLOSED_EARLY.match(stretch):
        raise NormaliseRefused(
            "tag_too_long",
            "内容里有一个异常长的标签，无法处理。请改为粘贴正文本身。",
            "The source holds one tag of abnormal length and cannot be read. Paste the text itself.",
        )


_LOOKS_LIKE_TAG: Final = re.compile("</?[a-zA-Z]")
_CLOSED_EARLY: Final = re.compile("[^\"'>]{0,8192}>")


def _too_large() -> NormaliseRefused:
    return NormaliseRefused(
        "too_large",
        "正文超过 1 MB（不含图片），无法处理。请删减内容，或拆成几篇。",
        "The text is larger than 1 MB without its pictures. Shorten it or split it into several articles.",
    )


def _too_deep() -> NormaliseRefused:
    return NormaliseRefused(
        "too_deep",
        "版式嵌套过深，无法处理。请在编辑器里清除格式后重新粘贴。",
        "The layout is nested too deeply. Clear the formatting in the editor and paste it again.",
    )


def _too_many() -> NormaliseRefused:
    return NormaliseRefused(
        "too_many_tags",
        "版式过于复杂，无法处理。请在编辑器里清除格式后重新粘贴，或拆成几篇。",
        "The layout is too complex. Clear the formatting in the editor and paste again, or split the article.",
    )
