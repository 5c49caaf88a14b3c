"""标注, the annotated view: the words of a content with findings and notes at their places; a second rendition, never the exact one.

It is made from the content, not from a channel's template, and says on itself that it is not what will be published. It is a document of its
own with the policy of `rendition`: no script, pictures of this host only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from gateway.content import Content, escape_text, recognise
from gateway.content.places import locate, places
from gateway.enforcer.counter import subject, waiting
from gateway.enforcer.counter.parts import COUNTER, WORDS, language, session_of
from gateway.enforcer.counter.rendition import FRAME_POLICY, STYLE, address
from gateway.protocol.denials import Denied

_MEDIA: Final = re.compile('src="media:(sha256:[0-9a-f]{64})"')
_MARKS: Final = (
    ".tag{font-size:13px;line-height:20px;color:#7A4B00;background:#FFF3DC;border-radius:6px;padding:6px 10px;margin:0 0 12px}"
    ".summary{color:#555;font-size:15px;line-height:24px}mark{color:inherit;background:#EEF0F3;border-bottom:2px solid #858E9B;cursor:pointer;scroll-margin:96px}"
    "mark.block{background:#FCE8E6;border-color:#9E1B1B}mark.confirm{background:#FFF3DC;border-color:#B4730F}mark.own{background:#E6EFFA;border-color:#3D74B8}"
    "mark.on,mark:target{outline:2px solid #0B6BCB;outline-offset:1px;border-radius:2px}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One place to be shown: `id` in the document, `kind` block, confirm, hint or own, and where in which field."""

    id: str
    kind: str
    field: str
    start: int
    end: int


def field_texts(content: Content) -> dict[str, str]:
    """Return the fields that findings and notes can be about, in the order they are read; of the body its plain text."""
    return {"title": content.title, "author": content.author, "source.name": content.source.name, "summary": content.summary,
            "body": recognise(content.body).text}


def number(content: Content | None, findings: Sequence[dict[str, Any]], notes: Sequence[dict[str, Any]]) -> tuple[Mark, ...]:
    """Give each finding and note whose words stand in the content a mark: its id is put under `mark`, None where they stand nowhere.

    Marks are numbered in reading order, so that stepping through them goes down the page.
    """
    texts = field_texts(content) if content is not None else {}
    order = list(texts)
    found: list[tuple[int, int, int, str, dict[str, Any]]] = []
    for item, kind, place in _places(findings, notes):
        item["mark"] = None
        at = locate(texts.get(place["field"], ""), place["quote"], place["start"]) if place else None
        if place and at is not None:
            found.append((order.index(place["field"]), at, at + len(place["quote"]), kind, item))
    marks = []
    for count, (field, start, end, kind, item) in enumerate(sorted(found, key=lambda one: one[:3]), 1):
        item["mark"] = f"m{count}"
        marks.append(Mark(id=f"m{count}", kind=kind, field=order[field], start=start, end=end))
    return tuple(marks)


def _places(findings: Sequence[dict[str, Any]], notes: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], str, dict[str, Any] | None]]:
    asked = [(finding, str(finding["grade"]), finding["place"]) for finding in findings]
    return asked + [(note, "own", note if note["field"] else None) for given in notes for note in given["notes"]]


def marked(html: str, marks: Sequence[Mark]) -> str:
    """Return markup in normal form with its marks; where two overlap, one stands inside the other. Tags stay as they are."""
    known = places(html)
    here: dict[int, list[Mark]] = {}
    for mark in marks:
        for at in range(max(0, mark.start), min(mark.end, len(known.spans))):
            here.setdefault(at, []).append(mark)
    out, written, named = [], 0, set[str]()
    stretches: list[tuple[list[Mark], int, int]] = []
    for at in sorted(here):
        span = known.spans[at]
        if span is None:
            continue
        if stretches and stretches[-1][0] == here[at] and stretches[-1][2] == span[0]:
            stretches[-1] = (here[at], stretches[-1][1], span[1])
        else:
            stretches.append((here[at], *span))
    for over, start, end in stretches:
        opening = "".join(f'<mark class="{m.kind}"{_id(m, named)} data-m="{m.id}">' for m in over)
        out += [html[written:start], opening, html[start:end], "</mark>" * len(over)]
        written = end
    return "".join([*out, html[written:]])


def _id(mark: Mark, named: set[str]) -> str:
    if mark.id in named:
        return ""
    named.add(mark.id)
    return f' id="{mark.id}"'


def document(content: Content, marks: Sequence[Mark], tag: str) -> str:
    """Return the annotated document; `tag` says on it that this is not what will be published."""

    def field(name: str, html: str) -> str:
        return marked(html, [mark for mark in marks if mark.field == name])

    by = " · ".join(f'<span data-field="{name}">{field(name, escape_text(text))}</span>'
                    for name, text in (("author", content.author), ("source.name", content.source.name)) if text)
    cover = content.cover()
    body = _MEDIA.sub(lambda found: f'src="{address(found[1])}"', field("body", content.body))
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>marked</title><style>{STYLE}{_MARKS}</style></head><body><p class="tag">{escape_text(tag)}</p>'
        f'<h1 data-field="title">{field("title", escape_text(content.title))}</h1>' + (f'<p class="by">{by}</p>' if by else "")
        + (f'<p class="summary" data-field="summary">{field("summary", escape_text(content.summary))}</p>' if content.summary else "")
        + (f'<img class="cover" alt="" src="{address(cover.sha256)}">' if cover else "") + f'<div data-field="body">{body}</div></body></html>'
    )


async def frame(request: web.Request) -> web.Response:
    """Serve the annotated document of a submission, with the findings of one channel."""
    counter, person = request.app[COUNTER], session_of(request).person
    submission = subject.find(counter, request.match_info["submission"])
    subject.may_see(counter, submission, person)
    await counter.history.catch_up()
    content = waiting.content_of(counter.parts.runner.blobs, submission.content) if submission.content else None
    if content is None:
        raise Denied("not_found", detail="content")
    found = subject.of_channel(subject.findings(counter, submission), subject.current_channel(counter, submission, request)["id"])
    marks = number(content, found, subject.notes(counter, counter.history.of(submission.id)))
    answer = web.Response(text=document(content, marks, WORDS.t(language(request), "marked.tag")), content_type="text/html", charset="utf-8")
    answer.headers["Content-Security-Policy"] = FRAME_POLICY
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer
