"""Pictures as people have them, brought to bytes that are fit to be signed and sent.

Decoding hostile pictures happens here, in the process without keys. A picture is judged by its first bytes, never by its
name; its size in pixels is read from the header and bounded before anything is decoded; what comes out is re-encoded from
pixels alone, so that Exif (place, camera, author), colour profiles, comments and whatever hid behind the last byte are gone.
Limits follow the WeChat page of the platform facts: 10 MB material, 1 MB body picture as JPEG or PNG.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps, ImageSequence

from gateway.canonical import Digest, sha256

MAX_INPUT: Final = 10 * 1024 * 1024
MAX_PIXELS: Final = 40_000_000
MAX_SIDE: Final = 4096
MAX_TALL: Final = 16_384
MAX_FRAMES: Final = 200
MAX_FRAME_PIXELS: Final = 40_000_000
BODY_BYTES: Final = 1024 * 1024

_MAGIC: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
)
_DECLARED: Final = {
    "image/jpeg": "JPEG",
    "image/jpg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/bmp": "BMP",
    "image/x-ms-bmp": "BMP",
}


class PictureRefused(ValueError):
    """The picture cannot be taken; `zh` and `en` say why and what to do."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{code}: {en}")
        self.code = code
        self.zh = zh
        self.en = en


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalPicture:
    """A picture's final bytes with what a manifest says about them; `notes` are codes of what was done to it.

    Notes: `oriented`, `metadata_removed`, `converted`, `scaled`, `recompressed`, `flattened`, `animation_stopped`.
    """

    data: bytes
    type: str
    width: int
    height: int
    sha256: Digest
    notes: tuple[str, ...]


def normalise_picture(data: bytes, *, declared: str | None = None, limit: int | None = None) -> NormalPicture:
    """Return the normal form of one picture; the same input gives the same bytes.

    JPEG, PNG and GIF stay what they are, WebP and BMP become PNG where they are transparent, else JPEG. With `limit` (bytes,
    for example `BODY_BYTES`) a still picture is recompressed and scaled down until it fits; `declared` is a media type that
    must agree with the first bytes.

    Raises:
        PictureRefused: `too_large`, `svg`, `format`, `type_differs`, `bomb`, `frames`, `broken`, `cannot_fit`.
    """
    if len(data) > MAX_INPUT:
        raise _refused("too_large")
    kind = _kind(data)
    if declared is not None and _DECLARED.get(declared.partition(";")[0].strip().lower()) != kind:
        raise _refused("type_differs")
    image = _open(data, kind)
    if kind == "GIF":
        return _animation(image, limit)
    notes: list[str] = []
    still = _still(image, notes)
    if kind in {"WEBP", "BMP"}:
        notes.append("converted")
        kind = "PNG" if still.mode == "RGBA" else "JPEG"
    return _fit(still, kind, limit, notes)


def _kind(data: bytes) -> str:
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<svg", b"<?xml", b"<!doctype svg")) or b"<svg" in head:
        raise _refused("svg")
    raise _refused("format")


def _open(data: bytes, kind: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=(kind,))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _refused("bomb") from error
    except Exception as error:
        raise _refused("broken") from error
    if image.width * image.height > MAX_PIXELS or image.width < 1 or image.height < 1:
        raise _refused("bomb")
    return image


def _still(image: Image.Image, notes: list[str]) -> Image.Image:
    try:
        if getattr(image, "n_frames", 1) > 1:
            notes.append("animation_stopped")
        image.load()
        if image.info.keys() & {"exif", "icc_profile", "comment", "xmp", "XML:com.adobe.xmp", "photoshop"} or image.getexif():
            notes.append("metadata_removed")
        turned = ImageOps.exif_transpose(image)
        if turned.size != image.size:
            notes.append("oriented")
        clear = "transparency" in turned.info or turned.mode in {"RGBA", "LA", "PA", "La", "RGBa"}
        return turned.convert("RGBA" if clear else "RGB")
    except Exception as error:
        raise _refused("broken") from error


def _fit(still: Image.Image, kind: str, limit: int | None, notes: list[str]) -> NormalPicture:
    bounded = _bounded(still.size)
    if bounded != still.size:
        notes.append("scaled")
        still = still.resize(bounded, Image.Resampling.LANCZOS)
    made = _encoded(still, kind, 90, notes)
    if limit is None or len(made.data) <= limit:
        return made
    if still.mode == "RGBA":
        if still.getchannel("A").getextrema() != (255, 255):
            notes.append("flattened")
        paper = Image.new("RGB", still.size, (255, 255, 255))
        paper.paste(still, mask=still.getchannel("A"))
        still = paper
    notes.append("recompressed")
    for quality, scale in ((85, 1.0), (75, 1.0), (75, 0.7), (70, 0.5), (65, 0.35), (60, 0.25), (50, 0.15)):
        size = (max(1, round(still.width * scale)), max(1, round(still.height * scale)))
        smaller = still if scale == 1.0 else still.resize(size, Image.Resampling.LANCZOS)
        made = _encoded(smaller, "JPEG", quality, notes if scale == 1.0 else [*notes, "scaled"])
        if len(made.data) <= limit:
            return made
    raise _refused("cannot_fit")


def _bounded(size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    scale = min(1.0, MAX_SIDE / width, MAX_TALL / height)
    return max(1, int(width * scale)), max(1, int(height * scale))


def _encoded(still: Image.Image, kind: str, quality: int, notes: list[str]) -> NormalPicture:
    clean = Image.new(still.mode, still.size)
    clean.paste(still)
    out = io.BytesIO()
    if kind == "JPEG":
        clean.convert("RGB").save(out, "JPEG", quality=quality, optimize=True, subsampling="4:2:0")
    else:
        clean.save(out, "PNG", compress_level=6)
    return _picture(out.getvalue(), f"image/{kind.lower()}", still.size, notes)


def _picture(data: bytes, media_type: str, size: tuple[int, int], notes: list[str]) -> NormalPicture:
    return NormalPicture(data=data, type=media_type, width=size[0], height=size[1], sha256=sha256(data), notes=tuple(dict.fromkeys(notes)))


def _animation(image: Image.Image, limit: int | None) -> NormalPicture:
    frames: list[Image.Image] = []
    durations: list[int] = []
    size = image.size
    try:
        for frame in ImageSequence.Iterator(image):
            if len(frames) >= MAX_FRAMES or (len(frames) + 1) * size[0] * size[1] > MAX_FRAME_PIXELS:
                raise _refused("frames")
            clean = Image.new("RGBA", size)
            clean.paste(frame.convert("RGBA"))
            frames.append(clean)
            durations.append(int(frame.info.get("duration", 100)))
    except PictureRefused:
        raise
    except Exception as error:
        raise _refused("broken") from error
    notes = ["metadata_removed"] if "comment" in image.info else []
    if len(frames) == 1:
        return _fit(frames[0], "PNG", limit, [*notes, "converted"])
    out = io.BytesIO()
    loop = int(image.info.get("loop", 0))
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=loop, disposal=2, optimize=False)
    made = out.getvalue()
    if len(made) > MAX_INPUT or max(size) > MAX_SIDE or (limit is not None and len(made) > limit):
        raise _refused("cannot_fit")
    return _picture(made, "image/gif", size, notes)


_WORDS: Final = {
    "too_large": (
        "图片超过 10 MB，平台不收。请压缩到 10 MB 以内再上传。",
        "The picture is larger than 10 MB, which no platform takes. Make it smaller and upload it again.",
    ),
    "svg": (
        "不接受 SVG 图片，因为其中可能带有脚本。请导出为 PNG 或 JPEG 再上传。",
        "SVG pictures are not taken, since they can hold scripts. Export it as PNG or JPEG and upload that.",
    ),
    "format": (
        "认不出这种图片格式。请使用 JPEG、PNG、GIF、WebP 或 BMP。",
        "This is no picture format that is known here. Use JPEG, PNG, GIF, WebP or BMP.",
    ),
    "type_differs": (
        "图片的实际格式与所称格式不符，可能被改过扩展名。请另存为正确格式再上传。",
        "The picture is not of the type it claims to be. Save it in the right format and upload it again.",
    ),
    "bomb": (
        "图片像素过多（上限 4000 万像素），已拒绝解码。请缩小尺寸再上传。",
        "The picture has too many pixels (the limit is 40 million) and was not decoded. Scale it down and upload it again.",
    ),
    "frames": (
        "动图帧数过多（上限 200 帧、总计 4000 万像素）。请减少帧数再上传。",
        "The animation has too many frames (200, or 40 million pixels in all). Shorten it and upload it again.",
    ),
    "broken": (
        "图片已损坏，无法读取。请重新导出后再上传。",
        "The picture is damaged and cannot be read. Export it again and upload that.",
    ),
    "cannot_fit": (
        "图片压缩后仍超过平台上限。动图请减少帧数或尺寸，静态图请裁剪后再上传。",
        "The picture stays above the platform's limit. Shorten or scale the animation, or crop the picture, and upload it again.",
    ),
}


def _refused(code: str) -> PictureRefused:
    zh, en = _WORDS[code]
    return PictureRefused(code, zh, en)
