"""The normal form as tables: elements, what they may hold, their attributes (pure). The words are docs/spec/content.md.

Element order and content models follow what the HTML parser (HTML Standard section 13.2.6) builds without repair: a body
that obeys these tables is read by every conforming parser as the very tree it spells.
"""

from __future__ import annotations

from typing import Final

MAX_BODY_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 5_000
MAX_STYLE: Final = 4096
MAX_ALT: Final = 256

VOID: Final = frozenset({"br", "hr", "img", "col"})
PHRASING: Final = frozenset({"span", "strong", "em", "b", "i", "u", "s", "sup", "sub", "code", "a", "br", "img"})
HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
FLOW: Final = PHRASING | HEADINGS | frozenset({"section", "p", "ul", "ol", "blockquote", "table", "hr", "pre", "figure"})
NOTHING: Final[frozenset[str]] = frozenset()

CHILDREN: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("section", "blockquote", "figcaption", "li", "td", "th"), FLOW),
    "figure": FLOW | {"figcaption"},
    **dict.fromkeys((*HEADINGS, "p", "pre", "caption"), PHRASING),
    **dict.fromkeys(PHRASING - VOID, PHRASING),
    "ul": frozenset({"li"}),
    "ol": frozenset({"li"}),
    "table": frozenset({"caption", "colgroup", "thead", "tbody", "tfoot"}),
    "colgroup": frozenset({"col"}),
    **dict.fromkeys(("thead", "tbody", "tfoot"), frozenset({"tr"})),
    "tr": frozenset({"td", "th"}),
    **dict.fromkeys(VOID, NOTHING),
}
"""Element name to the names it may hold; an element that is no key does not exist."""

TEXTLESS: Final = frozenset({"ul", "ol", "table", "colgroup", "thead", "tbody", "tfoot", "tr"})
"""Elements that hold elements only, no text at all, white space included."""

ATTRIBUTES: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(CHILDREN, frozenset({"style"})),
    "br": NOTHING,
    "a": frozenset({"href", "style"}),
    "img": frozenset({"alt", "src", "style"}),
    "ol": frozenset({"start", "style"}),
    "col": frozenset({"span", "style"}),
    "td": frozenset({"colspan", "rowspan", "style"}),
    "th": frozenset({"colspan", "rowspan", "style"}),
}
REQUIRED: Final[dict[str, frozenset[str]]] = {"a": frozenset({"href"}), "img": frozenset({"alt", "src"})}

BLOCKS: Final = frozenset(CHILDREN) - PHRASING
"""Elements that begin and end a line of the plain text."""
