"""The manifest: strict reading, digests, and the bindings between body, media and links."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import rfc8785

from gateway.canonical import Digest, sha256
from gateway.content import Content, Media, NotContent, NotNormal, Source, recognise, status_text

VECTORS = Path(__file__).parents[1] / "vectors"
ONE, TWO = sha256(b"one"), sha256(b"two")


def _generator():
    spec = importlib.util.spec_from_file_location("generate_content", VECTORS / "generate_content.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED = _generator()
FILES = sorted((VECTORS / "content").glob("*.json"))


def media(digest: Digest = ONE, **changes) -> Media:
    return replace(Media(role="body", type="image/png", length=3, sha256=digest, width=1, height=1, alt=""), **changes)


def content(body: str = "<p>字</p>", **changes) -> Content:
    parts = {"title": "题", "summary": "", "author": "", "source": Source(kind="original", name="", url=""), "cover": None}
    return Content.build(**{**parts, "body": body, "pictures": {ONE: media(), TWO: media(TWO)}, **changes})


def refused(value: Content) -> tuple[str, str]:
    with pytest.raises(NotContent) as caught:
        value.to_bytes()
    with pytest.raises(NotContent):
        value.digest()
    return caught.value.reason, caught.value.field


def img(digest: Digest, alt: str = "") -> str:
    return f'<img alt="{alt}" src="media:{digest}">'


def test_vector_files_are_what_the_generator_writes():
    """The committed vectors equal a fresh generation, file by file, and none is left over."""
    made = GENERATED.vectors()
    assert {path.stem for path in FILES} == set(made)
    for path in FILES:
        assert path.read_text(encoding="utf-8") == GENERATED.spelt(made[path.stem]), path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vector(path):
    """Each vector is accepted with its digest or refused for its reason; digests agree with the rfc8785 package."""
    vector = json.loads(path.read_text(encoding="utf-8"))
    if "manifest" in vector:
        data = rfc8785.dumps(vector["manifest"])
        parsed = Content.parse(data)
        assert sha256(data) == vector["digest"] == parsed.digest()
        assert parsed.to_bytes() == data
        assert parsed.manifest() == vector["manifest"]
    elif "html" in vector:
        with pytest.raises(NotNormal) as caught:
            recognise(vector["html"])
        assert (caught.value.reason, caught.value.position) == (vector["expect"], vector["position"])
    else:
        data = bytes.fromhex(vector["hex"]) if "hex" in vector else vector["bytes"].encode()
        with pytest.raises(NotContent) as caught:
            Content.parse(data)
        assert (caught.value.reason, caught.value.field) == (vector["expect"], vector["field"])


def test_every_vector_of_a_valid_content_has_its_own_digest():
    """Exchanged pictures, exchanged roles and every other change give another digest."""
    digests = [vector["digest"] for vector in GENERATED.vectors().values() if "digest" in vector]
    assert len(set(digests)) == len(digests) == 12


def test_build_orders_media_and_links_by_the_body():
    """The cover comes first, then each body picture once, in order of appearance, with the body's alternative text."""
    body = f'<p>{img(TWO, "乙")}{img(ONE)}{img(TWO, "乙")}<a href="https://b.example/">b</a><a href="https://a.example/">a</a></p>'
    built = content(body, cover=media(ONE, role="body", alt="封面"))
    assert [(item.role, item.sha256, item.alt) for item in built.media] == [("cover", ONE, "封面"), ("body", TWO, "乙"), ("body", ONE, "")]
    assert built.links == ("https://a.example/", "https://b.example/")
    assert built.cover() == built.media[0]
    assert content().cover() is None


def test_build_refuses_a_picture_nobody_described():
    """A body picture without a description is an error, not a hole in the manifest."""
    with pytest.raises(NotContent, match="picture_unknown"):
        content(f"<p>{img(sha256(b'three'))}</p>")


def test_build_refuses_a_body_that_is_not_normal():
    """The recogniser's reason is passed on with the field body."""
    with pytest.raises(NotContent) as caught:
        content("<script></script>")
    assert (caught.value.reason, caught.value.field) == ("element", "body")


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"title": "题" * 65}, "too_long", "title"),
        ({"title": "题\u200b"}, "character", "title"),
        ({"title": "题\n"}, "character", "title"),
        ({"title": " 题"}, "edge_space", "title"),
        ({"title": "\u0301"}, "combining_start", "title"),
        ({"title": "e\u0301"}, "not_nfc", "title"),
        ({"title": "\ud800"}, "character", "title"),
        ({"summary": "摘" * 121}, "too_long", "summary"),
        ({"author": "作" * 65}, "too_long", "author"),
        ({"source": Source(kind="original", name="名" * 129, url="")}, "too_long", "source.name"),
        ({"source": Source(kind="", name="", url="")}, "source_kind", "source.kind"),
        ({"source": Source(kind="original", name="", url="javascript:1")}, "link", "source.url"),
        ({"links": ("https://a.example/",)}, "links", "links"),
        ({"media": (media(),)}, "media_order", "media"),
        ({"media": (media(role="header"),)}, "role", "media.0.role"),
        ({"media": (media(role="cover"), media(role="cover"))}, "role", "media.1.role"),
        ({"media": (media(type="image/webp"),)}, "media_type", "media.0.type"),
        ({"media": (media(length=0),)}, "length", "media.0.length"),
        ({"media": (media(length=10 * 1024 * 1024 + 1),)}, "length", "media.0.length"),
        ({"media": (media(width=0),)}, "dimensions", "media.0"),
        ({"media": (media(height=16_385),)}, "dimensions", "media.0"),
        ({"media": (media(Digest("sha256:AA")),)}, "digest", "media.0.sha256"),
        ({"media": (media(role="cover", alt="a\n"),)}, "character", "media.0.alt"),
        ({"media": (media(role="cover"), media(width=2))}, "media_differs", "media.1"),
        ({"media": (media(),) * 101}, "too_many", "media"),
        ({"body": f"<p>{img(ONE)}{img(ONE, 'b')}</p>"}, "alt_differs", "body"),
        ({"body": "<p>"}, "unclosed", "body"),
    ],
)
def test_no_bytes_for_what_the_format_refuses(change, reason, field):
    """A value that breaks a rule has neither bytes nor digest, and the error names reason and field."""
    assert refused(replace(content(), **change)) == (reason, field)


def test_the_largest_contents_stay_below_the_limit_of_the_whole():
    """Neither escapes nor repeated links nor media bring a valid content to the limit at which bytes are not read."""
    alt = "字" * 255
    digests = [sha256(str(number).encode()) for number in range(100)]
    pictures = {digest: media(digest) for digest in digests}
    images = "".join(f'<img alt="{alt}" src="media:{digest}">' for digest in digests)
    links = "".join(f'<a href="https://a{number}.example/{"x" * 400}">x</a>' for number in range(350))
    for body in (images + '"' * (256 * 1024 - len(images.encode())), images + links, '"' * 256 * 1024):
        data = content(body, pictures=pictures).to_bytes()
        assert len(data) < 768 * 1024
        assert Content.parse(data).body == body


def test_parse_reads_back_what_to_bytes_wrote():
    """Bytes and value stand for each other."""
    built = content(f"<p>{img(ONE)}</p>", cover=media(TWO, alt="c"))
    assert Content.parse(built.to_bytes()) == built


def test_parse_refuses_over_long_bytes_before_reading_them():
    """Ten megabytes are refused without being parsed."""
    with pytest.raises(NotContent, match="not_canonical"):
        Content.parse(b'{"v":1,"x":"' + b"a" * 10_000_000 + b'"}')


@pytest.mark.parametrize("value", ["[]", "1", '"a"', "null"])
def test_parse_refuses_other_json(value):
    """A content is an object."""
    with pytest.raises(NotContent, match="type"):
        Content.parse(value.encode())


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [("media", {}, "type"), ("media", [1], "type"), ("links", [1], "type"), ("body", None, "type"), ("media", [{}], "key_missing")],
)
def test_parse_refuses_other_types(key, value, reason):
    """Each key has one type."""
    with pytest.raises(NotContent, match=reason):
        Content.parse(rfc8785.dumps({**content().manifest(), key: value}))


def test_parse_refuses_a_boolean_as_a_number():
    """True is no length."""
    manifest = content(f"<p>{img(ONE)}</p>").manifest()
    manifest["media"][0]["length"] = True
    with pytest.raises(NotContent, match=r"type in media\.0\.length"):
        Content.parse(rfc8785.dumps(manifest))


def test_status_text_adds_only_links_that_the_text_does_not_spell():
    """A link behind words is written out; a link that is itself the words is not repeated; a longer one does not hide it."""
    built = content(
        '<p>看 https://a.example/long <a href="https://a.example/">这里</a> <a href="https://a.example/long">x</a></p>'
    )
    assert status_text(built, recognise(built.body).text) == "看 https://a.example/long 这里 x https://a.example/"
