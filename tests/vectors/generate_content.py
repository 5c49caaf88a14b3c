"""Write the content vectors: `python tests/vectors/generate_content.py`; a test holds the files equal to what this writes.

Each file is one JSON object. `expect` is `ok`, or the reason and field of the failure. A vector holds one of

* `manifest` and `digest`: the RFC 8785 bytes of `manifest` have the SHA-256 `digest` (readers in other languages need no more);
* `bytes`: the bytes of a refused content, as text (or `hex`, where they are no UTF-8);
* `html`: a body alone, with `position` where the recogniser stops.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gateway.canonical import Digest, encode, sha256
from gateway.content import Content, Media, NotContent, NotNormal, Source, recognise

FOLDER = Path(__file__).parent / "content"
ONE, TWO = sha256(b"one"), sha256(b"two")


def picture(digest: Digest, *, role: str = "body", alt: str = "") -> Media:
    """Return a made-up picture of that digest."""
    return Media(role=role, type="image/png", length=3, sha256=digest, width=640, height=480, alt=alt)


def article(body: str, **changes: Any) -> Content:
    """Return a valid article around `body`."""
    parts: dict[str, Any] = {
        "title": "秋收之后，我们把水管修到了地头",
        "summary": "",
        "author": "陆晓棠",
        "source": Source(kind="original", name="", url=""),
        "cover": picture(ONE, alt="封面"),
        "pictures": {ONE: picture(ONE), TWO: picture(TWO)},
    }
    return Content.build(body=body, **{**parts, **changes})


def image(digest: Digest, alt: str = "") -> str:
    """Return the picture element of the normal form."""
    return f'<img alt="{alt}" src="media:{digest}">'


def accepted() -> dict[str, tuple[str, Content]]:
    """Return the contents that the format allows, by name, with a comment."""
    plain = "<p>入冬前，禾汀灌溉工程部在云岗村更换了4.2公里老旧支管。</p>"
    return {
        "ok-plain": ("A title, a cover and one paragraph.", article(plain)),
        "ok-empty-body": ("The format allows an empty body; a check refuses it.", article("")),
        "ok-pictures-one-two": ("Two pictures in this order.", article(f"<p>{image(ONE)}{image(TWO)}</p>")),
        "ok-pictures-two-one": ("The same two pictures, exchanged: another digest.", article(f"<p>{image(TWO)}{image(ONE)}</p>")),
        "ok-cover-two": (
            "Cover exchanged with a body picture: another digest than ok-cover-one.",
            article(f"<p>{image(ONE)}</p>", cover=picture(TWO)),
        ),
        "ok-cover-one": ("Cover and body picture.", article(f"<p>{image(TWO)}</p>", cover=picture(ONE))),
        "ok-links": (
            "Links are listed once, sorted; the entity is the only spelling of &.",
            article('<p><a href="https://b.example/?x=1&amp;y=2">乙</a><a href="https://a.example/">甲</a></p>'),
        ),
        "ok-styles": ("A style in normal spelling.", article('<section style="color:#ff0000;margin:0 auto;padding:1.5px 0">x</section>')),
        "ok-emoji": ("Joiner and variation selector inside emoji.", article("<p>👩\u200d🌾 1\ufe0f\u20e3 ❤\ufe0f</p>")),
        "ok-reprint": ("A reprint with its source.", article(plain, source=Source(kind="reprinted", name="临溪日报", url="https://news.example/1"))),
        "ok-title-64": ("The longest title.", article(plain, title="题" * 64)),
        "ok-quotes": ("Characters that JSON escapes.", article('<p>a "b" \\ / &lt;c&gt;\n\t\u00a0é\U00010348</p>')),
    }


def refused_bodies() -> dict[str, tuple[str, str]]:
    """Return bodies that are not in normal form, by name, with a comment."""
    return {
        "body-script": ("No script element exists.", "<script>alert(1)</script>"),
        "body-svg": ("No drawing element exists.", "<svg></svg>"),
        "body-handler": ("No event handler exists.", '<p onclick="x">a</p>'),
        "body-javascript": ("A link is http or https.", '<a href="javascript:alert(1)">a</a>'),
        "body-external-picture": ("A picture is named by its digest.", '<img alt="" src="https://e.example/x.png">'),
        "body-css-url": ("No style fetches.", '<p style="background-image:url(https://e.example/)">a</p>'),
        "body-css-fixed": ("Nothing leaves its box.", '<p style="position:fixed">a</p>'),
        "body-upper-case": ("Names are lower-case.", "<P>a</P>"),
        "body-single-quotes": ("Values stand in double quotes.", "<p style='color:#ff0000'>a</p>"),
        "body-no-quotes": ("Values stand in double quotes.", "<td colspan=2></td>"),
        "body-attribute-order": ("Attributes are sorted.", f'<img src="media:{ONE}" alt="">'),
        "body-attribute-space": ("One space before an attribute.", '<p  style="color:#ff0000">a</p>'),
        "body-self-closing": ("Void elements have no slash.", "<br/>"),
        "body-entity-number": ("Letters are not spelt as entities.", "<p>&#97;</p>"),
        "body-entity-name": ("Only amp, lt, gt, and quot in values.", "<p>&nbsp;</p>"),
        "body-quot-in-text": ("In text a quotation mark stands for itself.", "<p>&quot;</p>"),
        "body-bare-ampersand": ("An ampersand is escaped.", "<p>a & b</p>"),
        "body-bare-greater": ("A greater-than sign is escaped.", "<p>a > b</p>"),
        "body-comment": ("There are no comments.", "<p>a<!-- b --></p>"),
        "body-unclosed": ("Every element is closed.", "<p>a"),
        "body-misnested": ("Elements close in order.", "<b><i>a</b></i>"),
        "body-p-in-p": ("A paragraph holds no block.", "<p><section>a</section></p>"),
        "body-link-in-link": ("A link holds no link.", '<a href="https://a.example/"><b><a href="https://b.example/">x</a></b></a>'),
        "body-row-in-table": ("A row stands in a table body.", "<table><tr></tr></table>"),
        "body-text-in-list": ("A list holds items only.", "<ul> <li>a</li></ul>"),
        "body-nfd": ("Text is in NFC.", "<p>e\u0301</p>"),
        "body-combining-start": ("A text does not begin with a mark.", "<p>a<b>\u0301</b></p>"),
        "body-nul": ("No control characters.", "<p>a\x00b</p>"),
        "body-bidi": ("No direction controls.", "<p>a\u202eb</p>"),
        "body-zero-width": ("No zero-width characters.", "<p>裁\u200b员</p>"),
        "body-word-joiner": ("No word joiner.", "<p>裁\u2060员</p>"),
        "body-soft-hyphen": ("No soft hyphen.", "<p>a\u00adb</p>"),
        "body-lone-joiner": ("The joiner only joins emoji.", "<p>裁\u200d员</p>"),
        "body-lone-selector": ("A variation selector follows an emoji.", "<p>裁\ufe0f员</p>"),
        "body-surrogate": ("No lone surrogates.", "<p>\ud800</p>"),
        "body-noncharacter": ("No noncharacters.", "<p>\uffff</p>"),
        "body-carriage-return": ("Lines end with a line feed.", "<p>a\r\nb</p>"),
        "body-edge-space": ("No white space at the ends.", "<p>a</p>\n"),
        "body-pre-newline": ("Parsers drop this line feed.", "<pre>\na</pre>"),
        "body-deep": ("Depth 65.", "<section>" * 65 + "</section>" * 65),
        "body-style-empty": ("An attribute without effect is not written.", '<p style="">a</p>'),
        "body-style-space": ("No space around colon and semicolon.", '<p style="color: #ff0000">a</p>'),
        "body-style-twice": ("Each property once.", '<p style="color:#ff0000;color:#00ff00">a</p>'),
        "body-colour-name": ("Colours are spelt as digits.", '<p style="color:red">a</p>'),
        "body-picture-alt": ("A picture has its alternative text.", f'<img src="media:{ONE}">'),
    }


def refused_contents() -> dict[str, tuple[str, bytes]]:
    """Return bytes that are no content, by name, with a comment."""
    good = article(f"<p>{image(TWO)}</p>").manifest()
    data = encode(good)
    without = {key: value for key, value in good.items() if key != "summary"}
    media = good["media"]
    return {
        "bytes-key-missing": ("Every key is there.", encode(without)),
        "bytes-key-unknown": ("No other key is there.", encode({**good, "note": ""})),
        "bytes-version": ("Version 1 only.", encode({**good, "v": 2})),
        "bytes-version-true": ("true is not 1.", encode({**good, "v": True})),
        "bytes-kind": ("Articles only.", encode({**good, "kind": "page"})),
        "bytes-title-65": ("65 characters are too many.", encode({**good, "title": "题" * 65})),
        "bytes-title-line": ("A title is one line.", encode({**good, "title": "a\nb"})),
        "bytes-title-space": ("No white space at the ends.", encode({**good, "title": "a "})),
        "bytes-title-nfd": ("NFC.", encode({**good, "title": "e\u0301"})),
        "bytes-title-number": ("A title is a string.", encode({**good, "title": 1})),
        "bytes-source-kind": ("Four kinds of source.", encode({**good, "source": {"kind": "found", "name": "", "url": ""}})),
        "bytes-source-url": ("An http address.", encode({**good, "source": {"kind": "original", "name": "", "url": "ftp://a/"}})),
        "bytes-source-list": ("An object.", encode({**good, "source": []})),
        "bytes-cover-second": ("The cover comes first.", encode({**good, "media": media[::-1]})),
        "bytes-media-left-out": ("Each picture of the body is listed.", encode({**good, "media": media[:1]})),
        "bytes-media-unused": ("Nothing else is listed.", encode({**good, "body": ""})),
        "bytes-media-type": ("Three types.", encode({**good, "media": [{**media[0], "type": "image/svg+xml"}, media[1]]})),
        "bytes-media-differs": (
            "One digest has one size.",
            encode({**good, "media": [{**media[0], "sha256": media[1]["sha256"], "length": 9}, media[1]]}),
        ),
        "bytes-media-alt": ("The alternative text is the body's.", encode({**good, "media": [media[0], {**media[1], "alt": "b"}]})),
        "bytes-links": ("The links are the body's.", encode({**good, "links": ["https://a.example/"]})),
        "bytes-space": ("One spelling of the JSON.", data.replace(b",", b", ", 1)),
        "bytes-duplicate": ("No key twice.", data[:-1] + b',"v":1}'),
        "bytes-float": ("No floats.", data.replace(b'"v":1', b'"v":1.0')),
        "bytes-trailing": ("Nothing after the end.", data + b"\n"),
        "bytes-bom": ("No byte order mark.", b"\xef\xbb\xbf" + data),
        "bytes-utf8": ("UTF-8.", data.replace("陆".encode(), b"\xff\xff\xff")),
        "bytes-surrogate": ("No lone surrogates.", data.replace("陆".encode(), b"\\ud800")),
    }


def vectors() -> dict[str, dict[str, Any]]:
    """Return every vector by name."""
    made: dict[str, dict[str, Any]] = {}
    for name, (comment, content) in accepted().items():
        made[name] = {"expect": "ok", "comment": comment, "manifest": content.manifest(), "digest": content.digest()}
    for name, (comment, html) in refused_bodies().items():
        try:
            recognise(html)
        except NotNormal as error:
            made[name] = {"expect": error.reason, "comment": comment, "html": html, "position": error.position}
    for name, (comment, data) in refused_contents().items():
        try:
            Content.parse(data)
        except NotContent as error:
            made[name] = {"expect": error.reason, "comment": comment, "field": error.field}
        try:
            made[name]["bytes"] = data.decode()
        except UnicodeDecodeError:
            made[name]["hex"] = data.hex()
    return {name: {"origin": "tests/vectors/generate_content.py", **value} for name, value in made.items()}


def spelt(vector: dict[str, Any]) -> str:
    """Return the text of a vector file."""
    return json.dumps(vector, ensure_ascii=True, indent=1, sort_keys=True) + "\n"


def main() -> int:
    """Write all vectors."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for name, vector in vectors().items():
        (FOLDER / f"{name}.json").write_text(spelt(vector), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
