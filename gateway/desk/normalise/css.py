"""Styles as editors write them, brought to the spelling the normal form knows.

tinycss2 (CSS Syntax Level 3) reads; every value is then spelt anew from its tokens and kept only where the grammar of
`gateway.content.style` says yes, so nothing passes that was not understood.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import tinycss2
from tinycss2.color3 import RGBA, parse_color

from gateway.content.grammar import MAX_STYLE
from gateway.content.style import is_value

_IN_PIXELS: Final = {"in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4, "pc": 16.0}
_SHADOWS: Final = ("box-shadow", "text-shadow")
MAX_SOURCE: Final = 20_000


class _Unspeakable(Exception):
    """A token that no normal value holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A declaration that was not kept; `kind` is `css_url` where it would have fetched, else `style`."""

    kind: str
    name: str
    value: str


@dataclass(slots=True, kw_only=True)
class Style:
    """Normal declarations in order, what was dropped, and whether the element was made invisible by its style."""

    declarations: dict[str, str] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    hidden: bool = False

    def put(self, name: str, value: str) -> None:
        """Set a declaration as the last one."""
        self.declarations.pop(name, None)
        self.declarations[name] = value

    def spell(self) -> str:
        """Return the attribute value, leaving out the last declarations where it would grow beyond the format's limit."""
        kept: list[str] = []
        size = 0
        for name, value in self.declarations.items():
            size += len(name) + len(value) + 2
            if size > MAX_STYLE:
                self.dropped.append(Dropped(kind="style", name=name, value=value[:80]))
            else:
                kept.append(f"{name}:{value}")
        return ";".join(kept)


def read_style(source: str) -> Style:
    """Return the normal declarations of a style attribute; never raises, whatever the text is."""
    style = Style()
    if len(source) > MAX_SOURCE:
        style.dropped.append(Dropped(kind="style", name="style", value=source[:80]))
        return style
    for item in tinycss2.parse_blocks_contents(source, skip_comments=True, skip_whitespace=True):
        if item.type == "declaration":
            _take(style, item.lower_name, item.value)
        elif item.type != "error" or source.strip():
            style.dropped.append(Dropped(kind="style", name=item.type, value=source[:80]))
    return style


def read_colour(source: str) -> str | None:
    """Return a colour in normal spelling, or None where `source` is none."""
    colour = parse_color(source.strip())
    return None if colour is None else _colour(colour)


def _take(style: Style, name: str, tokens: list[Any]) -> None:
    tokens = [token for token in tokens if token.type != "comment"]
    raw = tinycss2.serialize(tokens).strip()[:200]
    if _hides(name, raw.lower()):
        style.hidden = True
        return
    if _fetches(tokens):
        style.dropped.append(Dropped(kind="css_url", name=name, value=raw))
        if name != "background":
            return
    if name == "background":
        _take_background(style, tokens, raw)
        return
    if name == "list-style":
        name = "list-style-type"
    value = _spell_value(name, tokens)
    if value is not None and is_value(name, value):
        style.put(name, value)
    else:
        style.dropped.append(Dropped(kind="style", name=name, value=raw))


def _hides(name: str, value: str) -> bool:
    return (name, value) in {("display", "none"), ("visibility", "hidden"), ("visibility", "collapse")} or (
        name == "opacity" and value.rstrip("%") in {"0", "0.0", ".0", "0.00"}
    )


def _fetches(tokens: Iterable[Any]) -> bool:
    for token in tokens:
        if token.type == "url":
            return True
        if token.type == "function" and (
            token.lower_name in {"url", "image-set", "-webkit-image-set", "image", "src", "element", "cross-fade"}
            or _fetches(token.arguments)
        ):
            return True
    return False


def _take_background(style: Style, tokens: list[Any], raw: str) -> None:
    taken = False
    for token in tokens:
        name = "background-image" if token.type == "function" and "gradient" in token.lower_name else "background-color"
        value = _spell_value(name, [token])
        if value is not None and value != "none" and is_value(name, value):
            style.put(name, value)
            taken = True
    if not taken and raw.lower() not in {"none", "0 0", "initial"} and not _fetches(tokens):
        style.dropped.append(Dropped(kind="style", name="background", value=raw))


def _spell_value(name: str, tokens: list[Any]) -> str | None:
    try:
        if name == "font-family":
            return _spell_family(tokens)
        if name in _SHADOWS:
            return _spell_shadow(tokens)
        return _spell(tokens)
    except _Unspeakable:
        return None


def _spell(tokens: list[Any], *, inside: bool = False) -> str:
    parts: list[str] = []
    for token in tokens:
        if token.type == "whitespace":
            if parts and parts[-1] not in {" ", ","}:
                parts.append(" ")
        elif token.type == "literal" and token.value == ",":
            if parts and parts[-1] == " ":
                parts.pop()
            parts.append(",")
        elif token.type != "comment":
            parts.append(_spell_token(token, inside=inside))
    return "".join(parts).strip()


def _spell_token(token: Any, *, inside: bool) -> str:
    if token.type in {"ident", "hash", "function"}:
        colour = parse_color(token)
        if colour is not None:
            return _colour(colour)
    if token.type == "ident":
        return str(token.lower_value)
    if token.type == "number":
        return _number(token.value)
    if token.type == "percentage":
        number = _number(token.value)
        return number if number == "0" and not inside else number + "%"
    if token.type == "dimension":
        return _dimension(token.value, token.lower_unit)
    if token.type == "function":
        return f"{token.lower_name}({_spell(token.arguments, inside=True)})"
    raise _Unspeakable


def _dimension(value: float, unit: str) -> str:
    if unit in _IN_PIXELS:
        value, unit = value * _IN_PIXELS[unit], "px"
    number = _number(value)
    if number == "0" and unit != "deg":
        return "0"
    return number + unit


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise _Unspeakable
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _colour(colour: RGBA | str) -> str:
    if isinstance(colour, str):
        return colour.lower()
    red, green, blue = (round(min(max(part, 0.0), 1.0) * 255) for part in colour[:3])
    alpha = _number(min(max(colour.alpha, 0.0), 1.0))
    if alpha == "0":
        return "transparent"
    return f"#{red:02x}{green:02x}{blue:02x}" if alpha == "1" else f"rgba({red},{green},{blue},{alpha})"


def _spell_family(tokens: list[Any]) -> str:
    names: list[list[str]] = [[]]
    for token in tokens:
        if token.type == "literal" and token.value == ",":
            names.append([])
        elif token.type == "string":
            names[-1].extend(token.value.split())
        elif token.type == "ident":
            names[-1].append(token.value)
        elif token.type != "whitespace":
            raise _Unspeakable
    spelt = (" ".join(words) for words in names)
    kept = [name for name in spelt if is_value("font-family", name)]
    return ",".join(kept[:15])


def _spell_shadow(tokens: list[Any]) -> str:
    words = _spell(tokens).split(" ")
    if words in (["none"], ["inherit"], ["initial"], ["unset"]):
        return words[0]
    inset = [word for word in words if word == "inset"]
    colours = [word for word in words if word[0:1] == "#" or word[0:4] == "rgba" or word in {"transparent", "currentcolor"}]
    lengths = [word for word in words if word not in inset and word not in colours]
    return " ".join([*inset, *lengths, *(colours or ["currentcolor"])])
