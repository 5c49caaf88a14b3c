"""The value grammar of the `style` attribute: one regular expression a property (pure).

A style is `name:value` pairs joined by `;`, each property at most once, in source order because order carries meaning
between shorthands. Nothing here can fetch, run or leave the article's own box: no `url()`, no `var()`, no `calc()`, no
`position` beyond `relative`, no `!important`, no escapes.
"""

from __future__ import annotations

import re
from typing import Final

UNITS: Final = ("px", "em", "rem", "%", "vw", "vh", "pt")

_UNIT = "(?:px|em|rem|%|vw|vh|pt)"
_MORE = r"(?:[1-9][0-9]{0,3}(?:\.[0-9]{0,2}[1-9])?|0\.[0-9]{0,2}[1-9])"
_LESS = r"(?:[1-9][0-9]{0,2}(?:\.[0-9]{0,2}[1-9])?|0\.[0-9]{0,2}[1-9])"
_NUMBER = f"(?:0|{_MORE})"
_LENGTH = f"(?:0|{_MORE}{_UNIT})"
_SIGNED = f"(?:0|{_MORE}{_UNIT}|-{_LESS}{_UNIT})"
_BYTE = "(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_COLOUR = rf"(?:#[0-9a-f]{{6}}|rgba\({_BYTE},{_BYTE},{_BYTE},0\.[0-9]{{0,2}}[1-9]\)|transparent|currentcolor)"
_ANGLE = f"(?:0|-?{_LESS})deg"
_LINE = "(?:none|hidden|solid|dashed|dotted|double|groove|ridge|inset|outset)"
_WIDTH = f"(?:thin|medium|thick|{_LENGTH})"
_WORD = "[A-Za-z_\u4e00-\u9fff][A-Za-z0-9_\u4e00-\u9fff\\-]{0,40}"
_STOP = f"{_COLOUR}(?: (?:0|{_MORE})%)?"
_SIDE = "(?:to (?:top|bottom|left|right)(?: (?:left|right))?)"
_MOVE = (
    f"(?:rotate(?:x|y|z)?\\({_ANGLE}\\)|scale(?:x|y)?\\({_NUMBER}(?:,{_NUMBER})?\\)|skew(?:x|y)\\({_ANGLE}\\)"
    f"|translate(?:x|y)?\\({_SIGNED}(?:,{_SIGNED})?\\)|translate3d\\({_SIGNED},{_SIGNED},{_SIGNED}\\))"
)
_ORIGIN = f"(?:left|center|right|top|bottom|{_SIGNED})"


def _any(words: str) -> str:
    return "(?:" + "|".join(words.split()) + ")"


_SIDES = ("top", "right", "bottom", "left")
_BOX = _any("flex-start flex-end start end center stretch baseline space-between space-around space-evenly normal auto left right")
_CONTENT = _any("fit-content max-content min-content")
_DECORATION = _any("none underline overline line-through")

_VALUES: Final[dict[str, str]] = {
    "color": _COLOUR,
    "background-color": _COLOUR,
    "background-image": rf"(?:none|linear-gradient\((?:{_ANGLE}|{_SIDE}),{_STOP}(?:,{_STOP}){{1,9}}\))",
    "opacity": r"(?:1|0\.[1-9](?:[0-9]?[1-9])?)",
    "display": _any("block inline inline-block flex inline-flex table inline-table table-row table-cell grid inline-grid list-item"),
    "position": _any("static relative"),
    **dict.fromkeys(_SIDES, f"(?:auto|{_SIGNED})"),
    "float": _any("left right none"),
    "clear": _any("left right both none"),
    "box-sizing": _any("border-box content-box"),
    "overflow": _any("visible hidden auto scroll"),
    "overflow-x": _any("visible hidden auto scroll"),
    "overflow-y": _any("visible hidden auto scroll"),
    "vertical-align": f"(?:{_any('baseline top middle bottom text-top text-bottom sub super')}|{_SIGNED})",
    **dict.fromkeys(("width", "height", "min-width", "min-height"), f"(?:auto|{_CONTENT}|{_LENGTH})"),
    **dict.fromkeys(("max-width", "max-height"), f"(?:none|{_CONTENT}|{_LENGTH})"),
    "margin": f"(?:auto|{_SIGNED})(?: (?:auto|{_SIGNED})){{0,3}}",
    **{f"margin-{side}": f"(?:auto|{_SIGNED})" for side in _SIDES},
    "padding": f"{_LENGTH}(?: {_LENGTH}){{0,3}}",
    **{f"padding-{side}": _LENGTH for side in _SIDES},
    "border": f"(?:{_WIDTH}|{_LINE}|{_COLOUR})(?: (?:{_WIDTH}|{_LINE}|{_COLOUR})){{0,2}}",
    **{f"border-{side}": f"(?:{_WIDTH}|{_LINE}|{_COLOUR})(?: (?:{_WIDTH}|{_LINE}|{_COLOUR})){{0,2}}" for side in _SIDES},
    "border-width": f"{_WIDTH}(?: {_WIDTH}){{0,3}}",
    "border-style": f"{_LINE}(?: {_LINE}){{0,3}}",
    "border-color": f"{_COLOUR}(?: {_COLOUR}){{0,3}}",
    **{f"border-{side}-width": _WIDTH for side in _SIDES},
    **{f"border-{side}-style": _LINE for side in _SIDES},
    **{f"border-{side}-color": _COLOUR for side in _SIDES},
    "border-radius": f"{_LENGTH}(?: {_LENGTH}){{0,3}}",
    **{f"border-{corner}-radius": f"{_LENGTH}(?: {_LENGTH})?" for corner in ("top-left", "top-right", "bottom-right", "bottom-left")},
    "border-collapse": _any("collapse separate"),
    "border-spacing": f"{_LENGTH}(?: {_LENGTH})?",
    "box-shadow": f"(?:none|(?:inset )?{_SIGNED}(?: {_SIGNED}){{1,3}} {_COLOUR})",
    "text-shadow": f"(?:none|{_SIGNED} {_SIGNED}(?: {_LENGTH})? {_COLOUR})",
    "font-size": f"(?:{_any('small medium large smaller larger x-small x-large xx-small xx-large')}|{_LENGTH})",
    "font-weight": "(?:normal|bold|bolder|lighter|[1-9]00)",
    "font-style": _any("normal italic oblique"),
    "font-variant": _any("normal small-caps"),
    "font-family": f"{_WORD}(?: {_WORD}){{0,4}}(?:,{_WORD}(?: {_WORD}){{0,4}}){{0,15}}",
    "line-height": f"(?:normal|{_NUMBER}|{_LENGTH})",
    "letter-spacing": f"(?:normal|{_SIGNED})",
    "word-spacing": f"(?:normal|{_SIGNED})",
    "text-align": _any("left right center justify start end"),
    "text-align-last": _any("auto left right center justify start end"),
    "text-indent": _SIGNED,
    "text-transform": _any("none uppercase lowercase capitalize"),
    "text-decoration": f"{_DECORATION}(?: {_any('solid double dotted dashed wavy')})?(?: {_COLOUR})?",
    "text-decoration-line": _DECORATION,
    "text-decoration-style": _any("solid double dotted dashed wavy"),
    "text-decoration-color": _COLOUR,
    "white-space": _any("normal nowrap pre pre-wrap pre-line break-spaces"),
    "word-break": _any("normal break-all keep-all break-word"),
    "word-wrap": _any("normal break-word"),
    "overflow-wrap": _any("normal break-word anywhere"),
    "writing-mode": _any("horizontal-tb vertical-rl vertical-lr"),
    "list-style-type": _any("none disc circle square decimal lower-alpha upper-alpha lower-roman upper-roman cjk-ideographic"),
    "list-style-position": _any("inside outside"),
    "table-layout": _any("auto fixed"),
    "caption-side": _any("top bottom"),
    "object-fit": _any("fill contain cover none scale-down"),
    "flex": f"(?:none|auto|{_NUMBER}(?: {_NUMBER})?(?: (?:auto|{_LENGTH}))?)",
    "flex-direction": _any("row row-reverse column column-reverse"),
    "flex-wrap": _any("nowrap wrap wrap-reverse"),
    "flex-flow": f"{_any('row row-reverse column column-reverse')}(?: {_any('nowrap wrap wrap-reverse')})?",
    "flex-grow": _NUMBER,
    "flex-shrink": _NUMBER,
    "flex-basis": f"(?:auto|{_LENGTH})",
    **dict.fromkeys(("justify-content", "align-items", "align-self", "align-content"), _BOX),
    "order": "-?(?:0|[1-9][0-9]{0,2})",
    "z-index": "(?:auto|0|-?[1-9][0-9]{0,2})",
    "transform": f"(?:none|{_MOVE}(?: {_MOVE}){{0,5}})",
    "transform-origin": f"{_ORIGIN}(?: {_ORIGIN}){{0,2}}",
}

PROPERTIES: Final[dict[str, re.Pattern[str]]] = {name: re.compile(f"(?:inherit|initial|unset|{value})") for name, value in _VALUES.items()}
"""Property name to the grammar of its value."""


def is_value(name: str, value: str) -> bool:
    """Return whether `value` is a normal value of the property `name`; an unknown property has none."""
    pattern = PROPERTIES.get(name)
    return pattern is not None and pattern.fullmatch(value) is not None


def is_style(style: str) -> bool:
    """Return whether `style` is a non-empty normal style: known properties, each once, each value in its grammar."""
    seen: set[str] = set()
    for declaration in style.split(";"):
        name, _, value = declaration.partition(":")
        if name in seen or not is_value(name, value):
            return False
        seen.add(name)
    return True
