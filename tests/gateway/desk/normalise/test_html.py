"""Whatever goes in, what comes out is normal, is its own normal form, and holds nothing that runs or fetches."""

import base64
import io
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from selectolax.lexbor import LexborHTMLParser

from gateway.canonical import sha256
from gateway.content import grammar, is_url, recognise
from gateway.content.style import is_style
from gateway.desk.normalise import NormaliseRefused, normalise_html

ONE = sha256(b"one")


def body(source: str, **known) -> str:
    return normalise_html(source, **known).body


def kinds(source: str) -> dict[str, str]:
    return {line.kind: line.what for line in normalise_html(source).removed}


def png(colour: str = "red") -> str:
    out = io.BytesIO()
    Image.new("RGB", (4, 3), colour).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def assert_harmless(html: str) -> None:
    """Hold the parsed tree, not the string, against the allow-lists."""
    for node in LexborHTMLParser(f"<!DOCTYPE html><body>{html}").body.traverse(include_text=False):
        if node.tag in {"body", "-text"}:
            continue
        assert node.tag in grammar.CHILDREN, node.tag
        for key, value in node.attributes.items():
            assert key in grammar.ATTRIBUTES[node.tag], (node.tag, key)
            assert key != "href" or is_url(value)
            assert key != "src" or value.startswith("media:sha256:")
            assert key != "style" or is_style(value)


def assert_settled(source: str) -> None:
    try:
        made = normalise_html(source)
    except NormaliseRefused as refusal:
        code = refusal.code
        made = None
    if made is None:
        assert code in {"too_deep", "too_many_tags", "too_large"}
        return
    recognise(made.body)
    assert normalise_html(made.body).body == made.body
    assert_harmless(made.body)


CORPUS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>", "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    '<form><math><mtext></form><form><mglyph><svg><mtext><style><path id="</style><img onerror=alert(1) src>">',
    '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">', '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<math><annotation-xml encoding="text/html"><style><img src=x onerror=alert(1)></style></annotation-xml></math>',
    '<svg><foreignObject><iframe srcdoc="<script>alert(1)</script>"></iframe></foreignObject></svg>', "<svg><title><style><img src=x onerror=alert(1)></style></title></svg>",
    "<template><script>alert(1)</script></template>", "<textarea><img src=x onerror=alert(1)></textarea>", "<xmp><img src=x onerror=alert(1)></xmp>",
    "<plaintext><script>", "<select><noembed></select><script x='a@b'>y='a@b'//a@b%0a\\u0091alert(1)</script x>", "<a href=javascript:alert(1)>x</a>",
    "<a href=' javascript:alert(1)'>x</a>", "<a href='java\tscript:alert(1)'>x</a>", "<a href='&#106;avascript:alert(1)'>x</a>", "<a href='data:text/html,x'>x</a>",
    "<a href='vbscript:x'>x</a>", "<a href='https://a.example\\@evil.example/'>x</a>", "<a href='//evil.example'>x</a>", "<iframe src=https://e.example></iframe>",
    "<object data=x><embed src=y></object>", "<base href=//evil>", "<meta http-equiv=refresh content=0>", "<link rel=stylesheet href=//e>", "<style>@import 'x'</style>",
    '<p style="background:url(javascript:alert(1))">x</p>', '<p style="background:u\\72l(//e.example)">x</p>', '<p style="width:expression(alert(1))">x</p>',
    '<p style="-moz-binding:url(x)">x</p>', '<p style="color:red;}</style><script>alert(1)</script>">x</p>', "<p style='x:\"</p><script>alert(1)</script>\"'>x</p>",
    "<p style='background-image:image-set(\"//e.example/x\" 1x)'>x</p>", "<p style='/*' title='*/color:red'>x</p>", "<p style='font-family:\"</style><b>\"'>x</p>",
    "<!--><img src=x onerror=alert(1)>-->", "<!--!><img src=x onerror=alert(1)>", "<![CDATA[<img src=x onerror=alert(1)>]]>", "<?xml version=1?><p>x", "<%x%><p>y",
    "<b><p><i></b>x</i></p>", "<a><table><a>", "<table><b><tr><td>x</b>y", "<p><table><p>x</table>y", "<ul><li>a<li><ul>b</ul>c</ul>", "<h1><h2>x</h1>y</h2>",
    "<button><p><button><p>x", "<table><caption><table><tr><td>x", "<frameset><frame src=x></frameset>", "<body onload=alert(1)><p>x", "<html><head><title>x</title><body>y",
    "<p/onclick=alert(1)>x", "<p onclick\n=\nalert(1)>x", '<img "="" onerror=alert(1) src=x>', "<x-y onclick=alert(1)>text</x-y>", "</p></br></b>", "<br/></br>",
    "<ruby>字<rp>(</rp><rt>zi</rt></ruby>", "<marquee onstart=alert(1)>x</marquee>", "<details ontoggle=alert(1) open>x", "<video><source onerror=alert(1)></video>",
    "<dl><dt>a<dd>b</dl>", "<center>c</center><font color=red size=7>d</font>", "<input value=x autofocus onfocus=alert(1)>", "<isindex prompt=x>", "<image src=x>",
    "<table background=javascript:alert(1)><tr><td background=x>y", "<col><td>x", "<option>x", "<math href=javascript:alert(1)>x</math>", '<a href="https://a.example/?a=1&lt=2">x</a>',
    "x\x00<scr\x00ipt>alert(1)</scr\x00ipt>", "<scr<script>ipt>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;", "&#60;script&#62;", "<\ud800p>x",
    "<p>e\u0301</p>", "<p>\u0338</p>", "a\u202eb\u2066c", "\ufeff<p>x</p>", "<p>👩\u200d🌾\ufe0f\ufe0f\u200d</p>", "<pre>\n\n\n x</pre>", "<p> a  <b> b </b>  c </p>",
    "<a href=https://a.example><section><ul><li>x<table><tr><td>y</table></ul></section></a>", "<figure><figcaption>x</figcaption>y<li>z</figure>",
    "<p style='white-space:pre'>a  b<span style='white-space:normal'> c  d </span></p>", "<b style='color:red'><p style='font-weight:400'>x</p></b>",
    "<table><colgroup><col span=0><col span=3></colgroup><tr><th colspan=1000 rowspan=2>x", "<ol start=-5><li>x", "<td>x<th>y<tr>z", "<s><strike><del>x",
    "<o:p>Word</o:p><p class=MsoNormal style='mso-x:1;margin:1cm;font:12pt Arial'>x</p><!--[if gte mso 9]><xml>y</xml><![endif]-->",
]  # fmt: skip


@pytest.mark.parametrize("source", CORPUS)
def test_the_corpus_comes_out_settled(source):
    """Each known attack gives a body that is normal, settled and harmless, or is refused."""
    assert_settled(source)
    assert_settled(f"<section><p>前{source}后</p></section>")


PIECES = st.sampled_from(
    [*CORPUS, "<b>", "</b>", "<p>", "</p>", "<table>", "<tr>", "<td>", "</table>", "<a href=https://a.example/>", "</a>", "<ul>", "<li>", "</ul>",
     "<pre>\n", "</pre>", "<section style='white-space:pre-wrap'>", "</section>", " ", "\n", "字", "e", "\u0301", "\u200d", "👩", "\ufe0f", "&amp;", "&lt;", "<svg>", "</svg>",
     "<math><mtext>", "<style>", "</style>", "<h2>", "</h2>", "<span style='color:red'>", "</span>", "<div hidden>", "</div>", "<br>", "<img src=media:" + ONE + " alt=x>",
     "<figure>", "<figcaption>", "</figure>", "<caption>", "<col>", "<blockquote>", "<!--", "-->", "<u>", "</u>", "<select>", "<template>", "</template>", "<o:p>"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
@example("<section style='white-space:pre-wrap'> <b></b> </section>")
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_mixture_comes_out_settled(source):
    """Mixtures of markup, attacks and text give a settled body."""
    assert_settled(source)


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_out_settled(source):
    """Any string gives a settled body."""
    assert_settled(source)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=150, deadline=None)
def test_composed_and_decomposed_twins_give_one_form(text):
    """NFC and NFD spellings of one text have the same normal form."""
    import html
    import unicodedata

    escaped = html.escape(text)
    twins = {body(f"<p>字{unicodedata.normalize(form, escaped)}</p>") for form in ("NFC", "NFD")}
    assert len(twins) == 1


def test_what_editors_write_is_kept():
    """Styles, lists, tables and emphasis survive in normal spelling."""
    made = normalise_html(
        "<DIV STYLE='Margin: 0.50em AUTO !important; COLOR: Red; font-family: \"PingFang SC\", sans-serif'><P align=center>你好&nbsp;<STRONG>世界</STRONG></P>"
        "<table width=100%><tr><td bgcolor=#FFF colspan=2>x</td></tr></table></DIV>"
    )
    assert made.body == (
        '<section style="margin:0.5em auto;color:#ff0000;font-family:PingFang SC,sans-serif"><p style="text-align:center">你好\u00a0'
        '<strong>世界</strong></p><table style="width:100%"><tbody><tr><td colspan="2" style="background-color:#ffffff">x</td></tr></tbody></table></section>'
    )
    assert made.removed == ()
    assert made.warnings == ()


def test_what_was_removed_is_said_once_with_a_count():
    """Scripts, handlers, fetching styles, drawings, videos and unseen characters are reported by kind, with place and example."""
    made = normalise_html(
        "<p onclick=x>前文<script>1</script><script>2</script><svg></svg><video src=x></video><span style='background:url(//e.example/a);float:left'>裁\u200b员</span></p>"
    )
    lines = {line.kind: line for line in made.removed}
    assert {kind: line.count for kind, line in lines.items()} == {"event": 1, "script": 2, "drawing": 1, "embedded": 1, "css_url": 1, "invisible": 1}
    assert lines["script"].before == "<script>1</script>"
    assert lines["script"].where == "前文"
    assert lines["invisible"].what == "U+200B"
    assert lines["css_url"].before == "background:url(//e.example/a)"
    assert made.body == '<p>前文<span style="float:left">裁员</span></p>'


def test_hidden_text_goes_and_is_reported():
    """What no reader would have seen is not brought to light in the published text."""
    for hidden in ("style='display:none'", "style='visibility:hidden'", "style='opacity:0'", "hidden"):
        made = normalise_html(f"<p>看得见</p><p {hidden}>看不见</p>")
        assert made.body == "<p>看得见</p>"
        assert [(line.kind, line.before) for line in made.removed] == [("hidden", "看不见")]


def test_external_pictures_are_asked_for():
    """A picture elsewhere is not in the body; its address, words and place are told."""
    made = normalise_html('<p>图一<img src="https://e.example/a.png" alt="泵站"></p>')
    assert made.body == "<p>图一</p>"
    (needed,) = made.pictures_needed
    assert (needed.url, needed.alt, needed.where) == ("https://e.example/a.png", "泵站", "图一")
    assert made.warnings == ("pictures_needed",)


def test_known_pictures_take_their_place():
    """With its digest known, the picture stands where it stood; lazy addresses count too."""
    source = '<p>a<img data-src="https://e.example/a.png" src="data:,x" alt="泵站">b</p>'
    made = normalise_html(source, known={"https://e.example/a.png": ONE})
    assert made.body == f'<p>a<img alt="泵站" src="media:{ONE}">b</p>'
    assert made.pictures_needed == ()


def test_pictures_inside_the_source_are_extracted():
    """A data: picture becomes a normal picture and a token; the same one twice is one picture."""
    made = normalise_html(f'<p><img src="{png()}"><img src=\'{png()}\'></p>')
    (picture,) = made.pictures
    assert (picture.type, picture.width, picture.height) == ("image/png", 4, 3)
    assert made.body == f'<p><img alt="" src="media:{picture.sha256}"><img alt="" src="media:{picture.sha256}"></p>'


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("data:image/svg+xml;base64," + base64.b64encode(b"<svg onload=alert(1)/>").decode(), "svg"),
        ("data:image/jpeg;base64," + png().partition(",")[2], "type_differs"),
        ("data:image/png;base64,!!!!", "unreadable"),
        ("data:image/png;base64,AAA", "unreadable"),
        ("qf-inline:99", "unreadable"),
        ("qf-inline:x", "unreadable"),
        ("file:///C:/a.png", "unreadable"),
    ],
)
def test_pictures_that_cannot_be_read_are_named(address, code):
    """A refused or unreadable picture is asked for with the reason."""
    made = normalise_html(f'<p>x<img src="{address}"></p>')
    assert made.body == "<p>x</p>"
    assert [needed.code for needed in made.pictures_needed] == [code]


def test_one_picture_has_one_alternative_text():
    """The first alternative text of a picture holds for all its places, as the manifest asks."""
    assert body(f"<img src=media:{ONE} alt=甲><img src=media:{ONE} alt=乙>") == f'<img alt="甲" src="media:{ONE}">' * 2


def test_links_are_spelt_and_bad_ones_leave_their_words():
    """Addresses get one spelling; what is no web address leaves the words behind, reported."""
    assert body('<a href=" HTTPS://A.example:443/ä?q=%e4#z ">x</a>') == '<a href="https://a.example/%C3%A4?q=%E4#z">x</a>'
    assert body("<a href=//a.example>x</a>") == '<a href="https://a.example/">x</a>'
    made = normalise_html("<p><a href=javascript:alert(1)>点我</a></p>")
    assert made.body == "<p>点我</p>"
    assert kinds("<p><a href=javascript:alert(1)>点我</a></p>") == {"link": "href"}


def test_line_elements_around_blocks_become_sections():
    """Emphasis and links around paragraphs move to where the normal form allows them."""
    assert body("<b><p>x</p></b>") == '<section style="font-weight:bold"><p>x</p></section>'
    assert body("<a href=https://a.example/><div>x</div></a>") == '<section><section><a href="https://a.example/">x</a></section></section>'


def test_too_deep_layout_keeps_its_words():
    """Between 64 and 180 levels the words are kept and the loss of layout is reported."""
    made = normalise_html("<div>" * 100 + "字" + "</div>" * 100)
    assert recognise(made.body).text == "字"
    assert recognise(made.body).depth <= 64
    assert "depth" in {line.kind for line in made.removed}


HOSTILE = {
    "nested": ("<b>" * 50_000, "too_deep"),
    "nested sections": ("<div>" * 50_000, "too_deep"),
    "nested drawings": ("<svg>" + "<g>" * 50_000, "too_deep"),
    "large": ("字" * 350_000, "too_large"),
    "large in bytes": ("x" * 1_100_000, "too_large"),
    "larger": (" " * (60 * 1024 * 1024 + 1), "too_large"),
    "attributes": ("<a " + "b " * 300_000 + ">", "tag_too_long"),
    "attributes after a bracket": ('<a x=">" ' + " ".join(f"b{n}=1" for n in range(90_000)) + ">", "tag_too_long"),
    "reopened": ("".join(f"<b a={n}></p>" for n in range(170)) + "<p>x" * 9000, "too_many_tags"),
    "misnested": ("<i>x</b>" * 19_000, "too_deep"),
    "tags": ("<br>" * 50_000, "too_many_tags"),
    "elements": ("<br>" * 20_000, "body_too_complex"),
    "text": ("字" * 100_000, "body_too_long"),
    "long style": ('<p style="' + "a:b;" * 100_000 + '">x</p>', None),
    "open brackets in style": ('<p style="' + "(" * 19_000 + '">x</p>', None),
    "comments": ("<!--" * 200_000, None),
    "nulls": ("&#0;" * 200_000, None),
    "foster": ("<table>" + "x<br>" * 4_000, None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sources_end_soon(name):
    """Sources made to keep a parser busy are refused or read within three seconds of processor time."""
    source, code = HOSTILE[name]
    started = time.process_time()
    if code is None:
        normalise_html(source)
    else:
        with pytest.raises(NormaliseRefused) as caught:
            normalise_html(source)
        assert caught.value.code == code
        assert caught.value.zh
        assert caught.value.en
    assert time.process_time() - started < 3


def test_data_pictures_do_not_count_towards_the_size_of_the_text():
    """Two megabytes of base64 in a paste are a picture, not too much text."""
    noise = Image.effect_noise((1200, 1200), 90)
    out = io.BytesIO()
    noise.save(out, "PNG")
    source = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    assert len(source) > 1_100_000
    made = normalise_html(f'<p>x<img src="{source}"></p>')
    (picture,) = made.pictures
    assert len(picture.data) <= 1024 * 1024
    assert "recompressed" in picture.notes


def test_the_report_of_kinds_is_bounded():
    """A source with thousands of unknown properties gives a report a person can read."""
    source = "".join(f'<p style="x{number}:y">a</p>' for number in range(1000))
    made = normalise_html(source)
    assert len(made.removed) <= 201
    assert sum(line.count for line in made.removed) == 1000
