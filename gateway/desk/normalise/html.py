"""Hostile HTML to the normal form of a body.

1. Pictures inside the source are lifted out, then size and shape are bounded before any parser runs (`prescan`).
2. lexbor builds the tree a browser would build; the walk here keeps what the tables of `gateway.content.grammar` know,
   renames what has an equal, and takes out the rest by name, so that the author sees what went.
3. The result is spelt, recognised by the pure recogniser, and read once more by a second parser (html5ever, in nh3): where
   two parsers do not agree about a text, no text comes out.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import nh3
from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser, LexborNode

from gateway.canonical import Digest
from gateway.content import NotNormal, grammar, recognise
from gateway.content.style import is_value
from gateway.desk.normalise.css import Style, read_colour, read_style
from gateway.desk.normalise.links import normal_url
from gateway.desk.normalise.pictures import BODY_BYTES, NormalPicture, PictureRefused, normalise_picture
from gateway.desk.normalise.prescan import INLINE_PREFIX, MAX_NESTING, lift_pictures, prescan
from gateway.desk.normalise.report import Normalised, NormaliseRefused, PictureNeeded, Report
from gateway.desk.normalise.tree import Element, Node, as_flow, clean_text, finish, flatten, spell, tidy

_RENAMED: Final = {
    **dict.fromkeys(
        [
            "div",
            "article",
            "main",
            "header",
            "footer",
            "aside",
            "nav",
            "address",
            "center",
            "details",
            "summary",
            "dl",
            "dt",
            "dd",
            "hgroup",
            "fieldset",
            "legend",
            "search",
        ],
        "section",
    ),
    **dict.fromkeys(
        [
            "font",
            "kbd",
            "samp",
            "var",
            "mark",
            "small",
            "big",
            "q",
            "abbr",
            "time",
            "label",
            "bdi",
            "output",
            "data",
            "nobr",
            "acronym",
            "tt",
        ],
        "span",
    ),
    "del": "s",
    "strike": "s",
    "ins": "u",
    "cite": "em",
    "dfn": "em",
    "menu": "ul",
    "dir": "ul",
    "listing": "pre",
}
_IMPLIED: Final = {
    "center": ("text-align", "center"),
    "mark": ("background-color", "#ffff00"),
    "small": ("font-size", "smaller"),
    "big": ("font-size", "larger"),
}
_GONE: Final = {
    **dict.fromkeys(["script", "noscript", "template"], "script"),
    **dict.fromkeys(
        [
            "iframe",
            "frame",
            "frameset",
            "noframes",
            "object",
            "embed",
            "applet",
            "video",
            "audio",
            "source",
            "track",
            "canvas",
            "map",
            "area",
            "portal",
        ],
        "embedded",
    ),
    **dict.fromkeys(["svg", "math"], "drawing"),
    **dict.fromkeys(["input", "select", "textarea", "option", "optgroup", "datalist", "keygen"], "form"),
    **dict.fromkeys(["style", "link", "meta", "base", "title", "head", "xmp", "plaintext", "noembed", "param", "wbr", "rp"], "element"),
}
_QUIET: Final = frozenset({"meta", "title", "wbr", "param", "rp", "base", "link"})
_UNWRAPPED: Final = frozenset({"form", "button", "ruby", "rt", "rb", "rtc", "html", "body", "hgroup", "bdo", "slot"})
_ALIGNED: Final = frozenset({"left", "right", "center", "justify"})
_PIXELS: Final = re.compile("[0-9]{1,4}")
_PERCENT: Final = re.compile("[0-9]{1,3}%")
_TOKEN: Final = re.compile("media:(sha256:[0-9a-f]{64})")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_HREF: Final = re.compile('href="[^"]*"')
_PRESERVING: Final = frozenset({"pre", "pre-wrap", "pre-line", "break-spaces"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What the walk knows from above: nesting, whether white space counts, whether a link is open."""

    depth: int = 0
    preserve: bool = False
    linked: bool = False


@dataclass(slots=True, kw_only=True)
class _Walk:
    known: Mapping[str, Digest]
    inline: list[tuple[str, str]]
    report: Report = field(default_factory=Report)
    pictures: dict[Digest, NormalPicture] = field(default_factory=dict)
    lifted: dict[int, Digest] = field(default_factory=dict)
    alts: dict[str, str] = field(default_factory=dict)


def normalise_html(source: str, *, known: Mapping[str, Digest] | None = None) -> Normalised:
    """Return the normal form of `source` with a report of what was taken out.

    `known` maps picture addresses as the source spells them to the digests of normal pictures that the caller holds;
    pictures inside the source are normalised here. The body is accepted by `gateway.content.recognise` and is its own
    normal form.

    Raises:
        NormaliseRefused: `too_large`, `too_deep`, `too_many_tags`, `tag_too_long`, `body_too_long`, `body_too_complex`,
            `parsers_disagree`.
    """
    lifted, inline = lift_pictures(source)
    prescan(lifted)
    walk = _Walk(known=known or {}, inline=inline)
    body = _write(lifted, walk)
    _recognised(body)
    _second_reading(body)
    warnings = ("pictures_needed",) if walk.report.needed else ()
    return Normalised(
        body=body,
        removed=walk.report.lines(),
        pictures=tuple(walk.pictures.values()),
        pictures_needed=tuple(walk.report.needed),
        warnings=warnings,
    )


def _write(source: str, walk: _Walk) -> str:
    clean = _SURROGATE.sub("", source)
    if "\x00" in clean or clean != source:
        walk.report.add("invisible", "U+0000" if "\x00" in clean else "U+D800", "□")
    parser = LexborHTMLParser(clean.replace("\x00", ""), is_fragment=True, options=LexborDocumentOptions.WO_EVENTS)
    nodes: list[Node] = []
    for child in _siblings(parser.root):
        nodes.extend(_node(child, walk, _Place()))
    nodes = tidy(as_flow(nodes), walk.report, preserve=False, flow=True)
    nodes = tidy(flatten(nodes, 0, walk.report), walk.report, preserve=False, flow=True)
    return spell(_trimmed(nodes, walk.report))


def _siblings(first: LexborNode | None) -> Iterator[LexborNode]:
    while first is not None:
        yield first
        first = first.next


def _trimmed(nodes: list[Node], report: Report) -> list[Node]:
    while nodes and isinstance(nodes[0], str):
        text = nodes[0].lstrip(" \n\t")
        if text == nodes[0]:
            break
        text = clean_text(text, report, preserve=True)
        nodes[:1] = [text] if text else []
    while nodes and isinstance(nodes[-1], str):
        text = nodes[-1].rstrip(" \n\t")
        nodes[-1:] = [text] if text else []
        if text:
            break
    return nodes


def _recognised(body: str) -> None:
    try:
        recognise(body)
    except NotNormal as error:
        if error.reason == "too_long":
            raise NormaliseRefused(
                "body_too_long",
                "整理后的正文超过 256 KB，无法报审。请删减内容或清除多余格式。",
                "The text is larger than 256 KB in normal form. Shorten it or clear needless formatting.",
            ) from error
        raise NormaliseRefused(
            "body_too_complex",
            "正文版式过于复杂，无法整理成可签发的形式。请在编辑器里清除格式后重新粘贴。",
            "The layout is too complex for the normal form. Clear the formatting in the editor and paste it again.",
        ) from error


def _second_reading(body: str) -> None:
    probe = _HREF.sub('href="https://a.example/"', body)
    other = nh3.clean(
        probe,
        tags=set(grammar.CHILDREN),
        clean_content_tags=set(),
        attributes={name: set(allowed) for name, allowed in grammar.ATTRIBUTES.items()},
        url_schemes={"http", "https", "media"},
        link_rel=None,
    )
    if _write(other, _Walk(known={}, inline=[])) != probe:
        raise NormaliseRefused(
            "parsers_disagree",
            "这段内容在不同浏览器里可能显示不同，不能作为签发内容。请改为粘贴纯文字后重新排版。",
            "Browsers may read this source in different ways, so it cannot be signed. Paste plain text and format it again.",
        )


def _node(node: LexborNode, walk: _Walk, place: _Place) -> list[Node]:
    if node.is_text_node:
        text = node.text_content or ""
        walk.report.read(text)
        return [text] if text else []
    if node.is_comment_node or not node.is_element_node:
        return []
    name = (node.tag or "").lower()
    attributes = node.attributes
    if name in _GONE:
        if name not in _QUIET:
            walk.report.add(_GONE[name], name, (node.html or "")[:200])
        return []
    if place.depth > MAX_NESTING + 20:
        raise NormaliseRefused(
            "too_deep",
            "版式嵌套过深，无法处理。请在编辑器里清除格式后重新粘贴。",
            "The layout is nested too deeply. Clear the formatting in the editor and paste it again.",
        )
    _report_handlers(attributes, walk)
    style = _style(name, attributes, walk)
    if style.hidden or "hidden" in attributes:
        if (node.text() or "").strip() or node.css_first("img"):
            walk.report.add("hidden", name, (node.text() or "").strip()[:200])
        return []
    return _element(node, _RENAMED.get(name, name), attributes, style, walk, place)


def _report_handlers(attributes: Mapping[str, str | None], walk: _Walk) -> None:
    for key, value in attributes.items():
        if key.startswith("on") or key in {"srcdoc", "formaction", "action"}:
            walk.report.add("event", key, f'{key}="{value or ""}"')


def _element(node: LexborNode, name: str, attributes: Mapping[str, str | None], style: Style, walk: _Walk, place: _Place) -> list[Node]:
    made = Element(name, {})
    if name == "img":
        return _picture(attributes, style, walk)
    if name == "a":
        href = normal_url(attributes.get("href") or "")
        if href is None or place.linked:
            if attributes.get("href"):
                walk.report.add("link", "href", attributes["href"] or "", "保留文字，去除链接")
            made.name = name = "span"
        else:
            made.attributes["href"] = href
    spelt = style.spell() if name in grammar.CHILDREN else ""
    for dropped in style.dropped:
        walk.report.add(dropped.kind, dropped.name, f"{dropped.name}:{dropped.value}")
    preserve = _preserves(name, style, place.preserve)
    inner = replace(place, depth=place.depth + 1, preserve=preserve, linked=place.linked or name == "a")
    for child in _siblings(node.child):
        made.children.extend(_node(child, walk, inner))
    if name not in grammar.CHILDREN:
        if name not in _UNWRAPPED and ":" not in name:
            walk.report.add("element", name, f"<{name}>", "保留其中文字")
        return made.children
    if spelt and name != "br":
        made.attributes["style"] = spelt
    _numbers(made, attributes)
    if name == "span" and not made.attributes:
        return made.children
    return finish(made, walk.report, preserve=preserve)


def _preserves(name: str, style: Style, inherited: bool) -> bool:  # noqa: FBT001 - a value handed down, not a switch
    space = style.declarations.get("white-space")
    if space is None:
        return inherited or name == "pre"
    return space in _PRESERVING or (space in {"inherit", "unset"} and inherited)


def _numbers(made: Element, attributes: Mapping[str, str | None]) -> None:
    for key in ("colspan", "rowspan", "span", "start"):
        if key in grammar.ATTRIBUTES[made.name]:
            value = (attributes.get(key) or "").strip()
            if re.fullmatch("[0-9]{1,3}", value) and 1 <= int(value) <= 99 and (key == "start" or int(value) > 1):
                made.attributes[key] = str(int(value))


def _style(name: str, attributes: Mapping[str, str | None], walk: _Walk) -> Style:
    style = read_style(attributes.get("style") or "")
    for key, value in _presentational(name, attributes):
        if key not in style.declarations and is_value(key, value):
            style.declarations = {key: value, **style.declarations}
    if attributes.get("background"):
        walk.report.add("css_url", "background", attributes["background"] or "")
    return style


def _presentational(name: str, attributes: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """Yield the declarations that old presentational attributes and elements stand for (HTML Standard section 15.3)."""
    if name in _IMPLIED:
        yield _IMPLIED[name]
    align = (attributes.get("align") or "").lower()
    if align in _ALIGNED and name not in {"img", "table"}:
        yield "text-align", align
    for key, target in (("color", "color"), ("bgcolor", "background-color")):
        if (value := attributes.get(key)) and len(value) < 40 and (colour := read_colour(value)):
            yield target, colour
    if name in {"img", "td", "th", "table", "col"} and (width := (attributes.get("width") or "").strip()):
        if _PIXELS.fullmatch(width) and int(width):
            yield "width", f"{int(width)}px"
        elif _PERCENT.fullmatch(width) and int(width[:-1]):
            yield "width", f"{int(width[:-1])}%"


def _picture(attributes: Mapping[str, str | None], style: Style, walk: _Walk) -> list[Node]:
    candidates = [value.strip() for key in ("src", "data-src", "data-original") if (value := attributes.get(key))]
    alt = clean_text(attributes.get("alt") or "", walk.report, preserve=False).strip()[: grammar.MAX_ALT].strip()
    digest: Digest | None = None
    code = "unreadable"
    for address in candidates:
        try:
            digest = _digest(address, walk)
        except PictureRefused as error:
            code = error.code
        if digest is not None:
            break
    for dropped in style.dropped:
        walk.report.add(dropped.kind, dropped.name, f"{dropped.name}:{dropped.value}")
    if digest is None:
        if candidates:
            address = next((item for item in candidates if item.startswith(("http:", "https:", "//"))), candidates[0])
            shown = "" if address.startswith(INLINE_PREFIX) else address[:2048]
            walk.report.needed.append(PictureNeeded(url=shown, alt=alt, where=walk.report.where(), code=code))
        return []
    spelt = style.spell()
    made = {"alt": walk.alts.setdefault(digest, alt), "src": f"media:{digest}"}
    return [Element("img", {**made, "style": spelt} if spelt else made)]


def _digest(address: str, walk: _Walk) -> Digest | None:
    if address in walk.known:
        return walk.known[address]
    if token := _TOKEN.fullmatch(address):
        return Digest(token[1])
    number = address.removeprefix(INLINE_PREFIX)
    if number == address or not number.isascii() or not number.isdecimal() or int(number[:9]) >= len(walk.inline):
        return None
    at = int(number[:9])
    if at not in walk.lifted:
        declared, encoded = walk.inline[at]
        try:
            data = base64.b64decode(re.sub(r"\s|%0[AaDd]", "", encoded).replace("%2B", "+").replace("%2F", "/"), validate=True)
        except ValueError:
            return None
        picture = normalise_picture(data, declared=declared, limit=BODY_BYTES)
        walk.pictures[picture.sha256] = picture
        walk.lifted[at] = picture.sha256
    return walk.lifted[at]
