"""Pictures: judged by their bytes, bounded before decoding, stripped, and the same bytes each time."""

import io
import struct
import time
import zlib

import pytest
from PIL import Image, PngImagePlugin

from gateway.canonical import sha256
from gateway.desk.normalise import BODY_BYTES, PictureRefused, normalise_picture
from gateway.desk.normalise.pictures import MAX_INPUT


def saved(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def still(size=(40, 30), mode="RGB", colour="red") -> Image.Image:
    return Image.new(mode, size, colour)


def refused(data: bytes, **options) -> PictureRefused:
    with pytest.raises(PictureRefused) as caught:
        normalise_picture(data, **options)
    assert caught.value.zh
    assert caught.value.en
    return caught.value


def png_header(width: int, height: int, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/jpeg"), ("BMP", "image/jpeg")])
def test_known_formats_become_what_platforms_take(kind, media_type):
    """JPEG and PNG stay, WebP and BMP are converted; size and digest describe the bytes."""
    made = normalise_picture(saved(still(), kind))
    assert (made.type, made.width, made.height) == (media_type, 40, 30)
    assert made.sha256 == sha256(made.data)
    with Image.open(io.BytesIO(made.data)) as read:
        assert f"image/{read.format.lower()}" == media_type
        assert read.size == (40, 30)


def test_the_same_picture_gives_the_same_bytes():
    """Normalising is deterministic."""
    for kind in ("JPEG", "PNG", "WEBP", "BMP"):
        data = saved(still(), kind)
        assert normalise_picture(data) == normalise_picture(data)


def test_transparent_webp_becomes_png():
    """Transparency is kept where the format allows it."""
    made = normalise_picture(saved(still(mode="RGBA", colour=(255, 0, 0, 90)), "WEBP", lossless=True))
    assert made.type == "image/png"
    with Image.open(io.BytesIO(made.data)) as read:
        assert read.getpixel((0, 0)) == (255, 0, 0, 90)


def test_place_camera_profile_and_comments_are_removed():
    """Exif with a place, an ICC profile, text chunks and bytes after the end do not come out."""
    exif = Image.Exif()
    exif[0x010F] = "SECRET-CAMERA"
    exif.get_ifd(0x8825)[1] = "N"
    made = normalise_picture(saved(still(), "JPEG", exif=exif.tobytes(), icc_profile=b"SECRET-PROFILE" * 20) + b"SECRET-TAIL")
    assert b"SECRET" not in made.data
    assert b"Exif" not in made.data
    assert "metadata_removed" in made.notes
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "SECRET-AUTHOR")
    assert b"SECRET" not in normalise_picture(saved(still(), "PNG", pnginfo=text) + b"SECRET-TAIL").data


def test_orientation_is_applied_before_it_is_removed():
    """A turned photograph comes out upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    made = normalise_picture(saved(still(), "JPEG", exif=exif.tobytes()))
    assert (made.width, made.height) == (30, 40)
    assert "oriented" in made.notes


def test_thirty_megabytes_are_refused_before_decoding():
    """Size is judged by length alone, at once, whatever the bytes are."""
    data = saved(still(), "PNG") + bytes(30 * 1024 * 1024)
    started = time.process_time()
    assert refused(data).code == "too_large"
    assert time.process_time() - started < 0.5
    assert refused(b"x" * (MAX_INPUT + 1)).code == "too_large"


@pytest.mark.parametrize("size", [(100_000, 100_000), (2_000_000_000, 1), (8_000, 8_000), (60_000, 20_000)])
def test_png_bombs_are_refused_by_their_header(size):
    """A small file that claims many pixels is not decoded."""
    started = time.process_time()
    assert refused(png_header(*size, body=bytes(1000))).code in {"bomb", "broken"}
    assert time.process_time() - started < 1


def test_a_gif_with_too_many_frames_is_refused():
    """Frames are counted in number and in pixels."""
    frames = [still((2, 2), colour=(number % 256, number // 256, 0)) for number in range(205)]
    assert refused(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])).code == "frames"
    large = [still((3000, 2000), colour=(number, 0, 0)) for number in range(8)]
    assert refused(saved(large[0], "GIF", save_all=True, append_images=large[1:])).code == "frames"


def test_an_animation_stays_one_without_its_comment():
    """An animated GIF keeps frames and times; comments go; a GIF of one frame becomes PNG."""
    frames = [still(colour="red"), still(colour="blue")]
    made = normalise_picture(saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=[100, 300], loop=0, comment=b"SECRET"))
    assert made.type == "image/gif"
    assert b"SECRET" not in made.data
    with Image.open(io.BytesIO(made.data)) as read:
        assert read.n_frames == 2
        assert read.info["duration"] == 100
    assert normalise_picture(saved(still(), "GIF")).type == "image/png"


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", b"\xef\xbb\xbf <?xml version='1.0'?><svg/>",
        b"<!DOCTYPE svg><svg onload='alert(1)'/>", b"<!-- x --><svg/>",
    ],
)  # fmt: skip
def test_svg_is_refused(data):
    """SVG can hold scripts and external entities, so it is no picture here."""
    assert refused(data).code == "svg"


@pytest.mark.parametrize("data", [b"", b"abc", b"%PDF-1.7", b"II*\x00" + bytes(40), b"RIFF\x00\x00\x00\x00WAVE", b"\x00\x00\x00\x1cftypavif"])
def test_other_formats_are_refused(data):
    """What is not one of five formats is not decoded at all."""
    assert refused(data).code == "format"


def test_the_declared_type_must_agree_with_the_bytes():
    """A picture under another name is refused; the common spellings of a type pass."""
    jpeg = saved(still(), "JPEG")
    assert refused(jpeg, declared="image/png").code == "type_differs"
    assert refused(jpeg, declared="text/html").code == "type_differs"
    assert normalise_picture(jpeg, declared="image/JPG; charset=x").type == "image/jpeg"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP"])
def test_damaged_pictures_are_refused(kind):
    """A picture cut short or overwritten is said to be damaged, whatever the decoder thinks of it."""
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    data = saved(noise, kind)
    for broken in (data[: len(data) // 2], data[:14], data[:20] + b"\xff" * 40):
        assert refused(broken).code in {"broken", "bomb"}


def test_large_pictures_are_scaled():
    """Wider than 4096 is scaled; a tall strip keeps its width."""
    wide = normalise_picture(saved(still((6000, 300)), "PNG"))
    assert (wide.width, wide.height) == (4096, 204)
    assert "scaled" in wide.notes
    strip = normalise_picture(saved(still((300, 9000)), "PNG"))
    assert (strip.width, strip.height) == (300, 9000)


def test_a_body_picture_is_brought_under_one_megabyte():
    """A large picture is recompressed, reported; transparency becomes white; a small one is left alone."""
    noise = Image.effect_noise((1500, 1500), 90).convert("RGBA")
    noise.putalpha(120)
    made = normalise_picture(saved(noise, "PNG"), limit=BODY_BYTES)
    assert len(made.data) <= BODY_BYTES
    assert made.type == "image/jpeg"
    assert {"recompressed", "flattened"} <= set(made.notes)
    assert normalise_picture(saved(still(), "PNG"), limit=BODY_BYTES).notes == ()


def test_what_cannot_fit_is_refused():
    """An animation over the limit and a limit nobody can meet are refused with a way out."""
    frames = [Image.effect_noise((300, 300), 90 + number) for number in range(20)]
    assert refused(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), limit=BODY_BYTES).code == "cannot_fit"
    assert refused(saved(still(), "JPEG"), limit=10).code == "cannot_fit"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_other_colour_modes_are_read(mode):
    """Grey, palette and 16-bit pictures come out as colour."""
    assert normalise_picture(saved(Image.new(mode, (8, 8)), "PNG")).type == "image/png"


def test_cmyk_jpeg_becomes_rgb():
    """A picture from the print shop shows its colours on a screen."""
    made = normalise_picture(saved(Image.new("CMYK", (8, 8)), "JPEG"))
    with Image.open(io.BytesIO(made.data)) as read:
        assert read.mode == "RGB"


def test_an_animated_png_stops():
    """Only GIF may move; the first frame of another animation is kept and the loss is noted."""
    frames = [still(colour="red"), still(colour="blue")]
    made = normalise_picture(saved(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    assert "animation_stopped" in made.notes
    with Image.open(io.BytesIO(made.data)) as read:
        assert getattr(read, "n_frames", 1) == 1
