"""The tree between the parser and the normal form, and how it is made to fit the content models.

Children come finished before their parent: each function here takes children that already fit and returns nodes that may
stand in flow, or parts (`li`, `td`, …) that the parent still has to place.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from gateway.content import escape_attribute, escape_text, grammar
from gateway.content.text import FORBIDDEN, find_forbidden, joins_before
from gateway.desk.normalise.report import Report

_SPACES: Final = re.compile("[ \t\n]+")
_AS_SPACE: Final = re.compile("[\r\f\v\x85\u2028\u2029]")
_CELLS: Final = frozenset({"td", "th"})
_STRUCTURES: Final = frozenset({"table", "ul", "ol"})
_PARTS: Final = frozenset({"caption", "colgroup", "thead", "tbody", "tfoot", "tr", "td", "th", "li"})
_ROWS: Final = frozenset({"thead", "tbody", "tfoot"})
_STYLE_OF: Final = {
    "b": "font-weight:bold",
    "strong": "font-weight:bold",
    "i": "font-style:italic",
    "em": "font-style:italic",
    "u": "text-decoration:underline",
    "s": "text-decoration:line-through",
    **dict.fromkeys(grammar.HEADINGS, "font-weight:bold"),
    "pre": "white-space:pre",
}


@dataclass(slots=True)
class Element:
    """One element: name, normal attribute values (decoded), children."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)


Node = Element | str


def clean_text(text: str, report: Report, *, preserve: bool) -> str:
    """Return `text` without what no content may hold, in NFC, with white space runs as one space unless `preserve`."""
    text = _AS_SPACE.sub(" ", text.replace("\r\n", "\n"))
    if find_forbidden(text) is not None:
        for found in FORBIDDEN.finditer(text):
            around = text[max(0, found.start() - 6) : found.start()]
            report.add("invisible", f"U+{ord(found[0]):04X}", around + "□" + text[found.end() : found.end() + 6])
        while find_forbidden(text) is not None:
            text = FORBIDDEN.sub("", text)
    while text and joins_before(text[0]):
        report.add("invisible", f"U+{ord(text[0]):04X}", text[:6])
        text = text[1:]
    text = unicodedata.normalize("NFC", text)
    return text if preserve else _SPACES.sub(" ", text)


def tidy(children: list[Node], report: Report, *, preserve: bool, flow: bool) -> list[Node]:
    """Return the children with neighbouring texts joined and cleaned, and in flow without spaces beside blocks."""
    merged: list[Node] = []
    for is_text, group in groupby(children, key=lambda node: isinstance(node, str)):
        if not is_text:
            merged.extend(group)
        elif text := clean_text("".join(str(node) for node in group), report, preserve=preserve):
            merged.append(text)
    if not flow or preserve:
        return merged
    kept: list[Node] = []
    for at, node in enumerate(merged):
        if node == " ":
            before = merged[at - 1] if at else None
            after = merged[at + 1] if at + 1 < len(merged) else None
            if _is_edge(before) or _is_edge(after):
                continue
        kept.append(node)
    return kept


def _is_edge(node: Node | None) -> bool:
    return node is None or (isinstance(node, Element) and node.name in grammar.BLOCKS)


def is_inline(node: Node) -> bool:
    """Return whether the node may stand in a line of text."""
    return isinstance(node, str) or node.name in grammar.PHRASING


def as_flow(children: list[Node]) -> list[Node]:
    """Return the children with stray parts put into the list or table they belong to."""
    if all(isinstance(node, str) or node.name in grammar.FLOW for node in children):
        return children
    placed: list[Node] = []
    for kind, group in groupby(children, key=_part_kind):
        nodes = list(group)
        if kind == "list":
            placed.append(Element("ul", {}, nodes))
        elif kind == "table":
            placed.append(Element("table", {}, _table_children(nodes)))
        elif kind == "line":
            placed.extend(Element("section", node.attributes, node.children) for node in nodes if isinstance(node, Element))
        elif kind == "flow":
            placed.extend(nodes)
    return placed


def _part_kind(node: Node) -> str:
    if isinstance(node, str) or node.name in grammar.FLOW:
        return "flow"
    if node.name == "li":
        return "list"
    if node.name in {"caption", "figcaption"}:
        return "line"
    return "nothing" if node.name in {"col", "colgroup"} else "table"


def finish(element: Element, report: Report, *, preserve: bool) -> list[Node]:
    """Return the element, made to fit its own content model, or what replaces it."""
    name = element.name
    if name in grammar.VOID:
        return [element]
    if name in {"ul", "ol"}:
        element.children = _list_children(tidy(element.children, report, preserve=False, flow=True))
        return [element] if element.children else []
    if name in {"table", "tr", "colgroup"} or name in _ROWS:
        return _finish_table_part(element, report)
    model = grammar.CHILDREN[name]
    if "p" in model:
        placed = element.children if name == "figure" else as_flow(element.children)
        if name == "figure":
            placed = _figure_children(placed)
        element.children = tidy(placed, report, preserve=preserve, flow=True)
    elif all(is_inline(node) for node in element.children):
        element.children = tidy(element.children, report, preserve=preserve, flow=False)
        if name == "pre":
            _strip_newline(element, report)
    else:
        return _widen(element, report, preserve=preserve)
    if not element.children and not element.attributes.get("style") and name not in _CELLS | {"li", "caption"}:
        return []
    return [element]


def _widen(element: Element, report: Report, *, preserve: bool) -> list[Node]:
    """Replace a line element that holds blocks by a section that looks the same; a link goes to the lines inside."""
    report.add("structure", element.name, f"<{element.name}> 内含段落", "<section>")
    children = element.children
    if element.name == "a":
        children = tidy(as_flow(children), report, preserve=preserve, flow=True)
        children = _link_lines(children, element.attributes["href"])
    style = element.attributes.get("style", "")
    own = _STYLE_OF.get(element.name, "")
    if own and own.partition(":")[0] + ":" not in style:
        style = f"{own};{style}".rstrip(";")
    section = Element("section", {"style": style} if style else {}, children)
    return finish(section, report, preserve=preserve)


def _link_lines(children: list[Node], href: str) -> list[Node]:
    linked: list[Node] = []
    for inline, group in groupby(children, key=is_inline):
        nodes = list(group)
        if inline:
            worded = any(isinstance(node, Element) or node.strip(" \n\t") for node in nodes)
            linked.extend([Element("a", {"href": href}, nodes)] if worded else nodes)
            continue
        for node in nodes:
            if isinstance(node, Element):
                if node.name not in grammar.VOID:
                    if node.name in grammar.TEXTLESS:
                        node.children = [_linked_part(child, href) for child in node.children]
                    else:
                        node.children = _link_lines(node.children, href)
                linked.append(node)
    return linked


def _linked_part(node: Node, href: str) -> Node:
    if isinstance(node, Element) and node.name not in grammar.VOID:
        if node.name in grammar.TEXTLESS:
            node.children = [_linked_part(child, href) for child in node.children]
        else:
            node.children = _link_lines(node.children, href)
    return node


def _strip_newline(element: Element, report: Report) -> None:
    """Take line feeds from the beginning of a `pre`, where parsers drop one; what follows must not begin with a mark."""
    while element.children and isinstance(element.children[0], str):
        rest = element.children[0].lstrip("\n")
        if rest == element.children[0]:
            return
        rest = clean_text(rest, report, preserve=True)
        element.children[:1] = [rest] if rest else []


def _figure_children(children: list[Node]) -> list[Node]:
    placed: list[Node] = []
    for caption, group in groupby(children, key=lambda node: isinstance(node, Element) and node.name == "figcaption"):
        nodes = list(group)
        placed.extend(nodes if caption else as_flow(nodes))
    return placed


def _list_children(children: list[Node]) -> list[Node]:
    items: list[Node] = []
    for is_item, group in groupby(children, key=lambda node: isinstance(node, Element) and node.name == "li"):
        nodes = list(group)
        if is_item:
            items.extend(nodes)
        elif any(isinstance(node, Element) or node.strip() for node in nodes):
            items.append(Element("li", {}, as_flow(nodes)))
    return items


def _finish_table_part(element: Element, report: Report) -> list[Node]:
    children = tidy(element.children, report, preserve=False, flow=True)
    if element.name == "table":
        element.children = _table_children(children)
        return [element] if element.children else []
    if element.name == "colgroup":
        element.children = [node for node in children if isinstance(node, Element) and node.name == "col"]
    elif element.name == "tr":
        element.children = _row_children(children)
    else:
        element.children = _rows(children)
    return [element]


def _table_children(children: list[Node]) -> list[Node]:
    own = grammar.CHILDREN["table"]
    placed: list[Node] = []
    for fits, group in groupby(children, key=lambda node: isinstance(node, Element) and node.name in own):
        nodes = list(group)
        if fits:
            placed.extend(nodes)
        elif rows := _rows(nodes):
            placed.append(Element("tbody", {}, rows))
    return placed


def _rows(children: list[Node]) -> list[Node]:
    rows: list[Node] = []
    for is_row, group in groupby(children, key=lambda node: isinstance(node, Element) and node.name == "tr"):
        nodes = list(group)
        if is_row:
            rows.extend(nodes)
        elif cells := _row_children(nodes):
            rows.append(Element("tr", {}, cells))
    return rows


def _row_children(children: list[Node]) -> list[Node]:
    cells: list[Node] = []
    for is_cell, group in groupby(children, key=lambda node: isinstance(node, Element) and node.name in _CELLS):
        nodes = list(group)
        if is_cell:
            cells.extend(nodes)
        elif any(isinstance(node, Element) or node.strip() for node in nodes) and (inside := as_flow(nodes)):
            cells.append(Element("td", {}, inside))
    return cells


def flatten(children: list[Node], depth: int, report: Report) -> list[Node]:
    """Return flow children no deeper than the format allows; what lies deeper keeps its text and pictures only."""
    kept: list[Node] = []
    for node in children:
        if isinstance(node, str) or node.name in grammar.VOID:
            kept.append(node)
            continue
        limit = grammar.MAX_DEPTH - (6 if node.name in _STRUCTURES else 2)
        if depth >= limit and node.name not in _PARTS:
            report.add("depth", node.name, f"<{node.name}>")
            kept.extend(_leaves(node))
            continue
        inside = flatten(node.children, depth + 1, report)
        if len(inside) != len(node.children) or any(one is not two for one, two in zip(inside, node.children, strict=True)):
            inside = tidy(inside, report, preserve=False, flow="p" in grammar.CHILDREN[node.name])
        node.children = inside
        kept.append(node)
    return kept


def _leaves(element: Element) -> list[Node]:
    found: list[Node] = []
    for node in element.children:
        if isinstance(node, str) or node.name in {"br", "img"}:
            found.append(node)
        elif node.name not in grammar.VOID:
            found.extend(_leaves(node))
    return found


def spell(children: list[Node]) -> str:
    """Return the one spelling of the tree that the normal form knows."""
    parts: list[str] = []
    _spell(children, parts)
    return "".join(parts)


def _spell(children: list[Node], parts: list[str]) -> None:
    for node in children:
        if isinstance(node, str):
            parts.append(escape_text(node))
            continue
        attributes = "".join(f' {key}="{escape_attribute(node.attributes[key])}"' for key in sorted(node.attributes))
        parts.append(f"<{node.name}{attributes}>")
        if node.name not in grammar.VOID:
            _spell(node.children, parts)
            parts.append(f"</{node.name}>")
