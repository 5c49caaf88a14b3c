"""Whether the extension sees that a picture came back as another one: what the desk's own code makes of pictures, honest and forged."""

from __future__ import annotations

import base64
import io
import random
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from gateway.desk.normalise import BODY_BYTES, normalise_picture
from tests.extension.browser import Chromium

pytestmark = pytest.mark.browser

SEES = """async ([mine, theirs]) => {
  const raw = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const [{likeness, plain}, {asPicture}] = await Promise.all([import('/likeness.js'), import('/pictures.js')]);
  return likeness(await plain(asPicture(raw(mine))), raw(theirs));
}"""
PLAIN = """async (mine) => {
  const [{plain}, {asPicture}] = await Promise.all([import('/likeness.js'), import('/pictures.js')]);
  const made = new Uint8Array(await (await plain(asPicture(Uint8Array.from(atob(mine), (letter) => letter.charCodeAt(0))))).arrayBuffer());
  return btoa(Array.from(made, (byte) => String.fromCharCode(byte)).join(''));
}"""
FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"


def b64(data: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(data).decode()


def sheet(forged: bool = False, size: tuple[int, int] = (360, 240), letters: int = 13, mode: str = "RGB", ground: Any = (246, 246, 240)) -> Image.Image:
    """Return lines of text; forged, one digit is another."""
    image = Image.new(mode, size, ground)
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(FONT, letters)
    ink = (40, 30, 30, 255) if mode == "RGBA" else (40, 30, 30)
    for line in range(size[1] // (letters * 3 // 2)):
        draw.text((6, line * letters * 3 // 2), f"更换了4.{9 if forged and line == 2 else 2}公里支管，共{line}处", font=font, fill=ink)
    return image


def noise(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Return what no encoder makes small."""
    return Image.frombytes(mode, size, random.Random(4).randbytes(size[0] * size[1] * len(mode)))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture's bytes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def film(*shots: Image.Image, **options: Any) -> bytes:
    """Return an animation."""
    return encoded(shots[0], "GIF", save_all=True, append_images=list(shots[1:]), **{"duration": 90, **options})


def turned() -> Image.Exif:
    """Return what a camera writes that was held upright."""
    exif = Image.Exif()
    exif[0x112] = 6
    return exif


def painted(width: int) -> list[Image.Image]:
    """Return a disc that moves over a clear ground."""
    shots = []
    for at in range(4):
        shots.append(Image.new("RGBA", (160, 90), (0, 0, 0, 0)))
        ImageDraw.Draw(shots[-1]).ellipse((at * 20, 10, at * 20 + width, 60), fill=(190, 30, 30, 255))
    return shots


def pairs() -> dict[str, tuple[bytes, bytes | None]]:
    """Return pictures as people have them, each with a forgery where there is one."""
    clear = {"mode": "RGBA", "ground": (0, 0, 0, 0)}
    blended = [Image.blend(noise((1150, 900)), sheet(forged, (1150, 900), 16), 0.5) for forged in (False, True)]
    words, other = [sheet(letters=12 + at) for at in range(4)], [sheet(at == 2, letters=12 + at) for at in range(4)]
    return {
        "png": (encoded(sheet(), "PNG"), encoded(sheet(True), "PNG")),
        "small letters as jpeg": (encoded(sheet(letters=10), "JPEG", quality=92), encoded(sheet(True, letters=10), "JPEG", quality=92)),
        "a camera's": (encoded(sheet(), "JPEG", quality=92, exif=turned()), encoded(sheet(True), "JPEG", quality=92, exif=turned())),
        "webp": (encoded(sheet(), "WEBP", quality=85), encoded(sheet(True), "WEBP", quality=85)),
        "clear": (encoded(sheet(**clear), "PNG"), encoded(sheet(True, **clear), "PNG")),
        "clear webp": (encoded(sheet(**clear), "WEBP", quality=85), encoded(sheet(True, **clear), "WEBP", quality=85)),
        "palette": (encoded(sheet().quantize(16), "PNG"), encoded(sheet(True).quantize(16), "PNG")),
        "grey": (encoded(sheet().convert("L"), "PNG"), None),
        "too many bytes": (encoded(blended[0], "PNG"), encoded(blended[1], "PNG")),
        "clear and too many bytes": (encoded(noise((800, 600), "RGBA"), "PNG"), None),
        "scaled": (encoded(sheet(size=(4600, 1200), letters=60), "PNG"), encoded(sheet(True, size=(4600, 1200), letters=60), "PNG")),
        "still gif": (encoded(sheet(), "GIF"), encoded(sheet(True), "GIF")),
        "film": (film(*words), film(*other)),
        "film in lines": (film(*words, interlace=True, duration=[40, 0, 300, 90]), film(*words, duration=[40, 0, 3000, 90])),
        "film without its end": (film(*painted(50), disposal=2), film(*painted(50)[:3], disposal=2)),
        "film over itself": (film(*painted(50), disposal=3), film(*painted(44), disposal=3)),
        "inks": (encoded(sheet().convert("CMYK"), "JPEG", quality=92), None),
    }


async def test_what_the_desk_makes_of_a_picture_is_known_again_and_a_forgery_is_not(browser: Chromium) -> None:
    """Encoded anew, turned, scaled, flattened, in motion: the same. One digit, one frame, one second more: not the same."""
    page = await browser.page("panel/panel.html")
    for name, (mine, forged) in pairs().items():
        sent = base64.b64decode(await page.evaluate(PLAIN, b64(mine)))
        assert (sent == mine) == (name != "inks"), name
        made = normalise_picture(sent, limit=BODY_BYTES)
        assert await page.evaluate(SEES, [b64(mine), b64(made.data)]) == {
            "type": made.type, "length": len(made.data), "width": made.width, "height": made.height}, name
        if forged is not None:
            assert await page.evaluate(SEES, [b64(mine), b64(normalise_picture(forged, limit=BODY_BYTES).data)]) is None, name


async def test_what_is_no_answer_is_no_likeness(browser: Chromium) -> None:
    """Nothing, other formats, cut or endless files, another shape, a dot of a picture, a clear picture over an opaque one: none of them passes."""
    page = await browser.page("panel/panel.html")
    mine, moving = encoded(sheet(), "PNG"), film(*painted(50))
    deep = Image.new("I;16", (90, 60))
    deep.putdata([at * 12 for at in range(5400)])
    for ours, theirs in (
        (mine, b""), (mine, b"<svg onload=alert(1)>"), (mine, mine[:200]), (mine, encoded(sheet().rotate(180), "PNG")),
        (mine, encoded(sheet().transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG")), (mine, encoded(sheet().resize((1, 1)), "PNG")),
        (mine, encoded(sheet().resize((360, 120)), "PNG")), (mine, encoded(sheet().resize((720, 480)), "PNG")), (mine, moving), (moving, mine),
        (moving, encoded(painted(50)[0], "PNG")), (moving, moving[:-40]), (moving, moving[:13] + b"\x2c" * 40), (moving, moving[:6] + b"\xff\xff\xff\xff" + moving[10:]),
        (mine, encoded(sheet(mode="RGBA", ground=(246, 246, 240, 250)), "PNG")), (encoded(deep, "PNG"), encoded(Image.new("RGB", (90, 60), "white"), "PNG")),
    ):
        assert await page.evaluate(SEES, [b64(ours), b64(theirs)]) is None, (ours[:8], theirs[:40])
