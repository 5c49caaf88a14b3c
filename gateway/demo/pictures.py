"""The demo's pictures, drawn here so that nothing is fetched: quiet landscapes, the same bytes every time."""

from __future__ import annotations

import hashlib
import io

from PIL import Image, ImageDraw


def landscape(name: str, *, width: int = 900, height: int = 383) -> bytes:
    """Return a PNG of fields and hills whose colours depend on `name`."""
    seed = hashlib.sha256(name.encode()).digest()
    image = Image.new("RGB", (width, height), (233, 241, 244))
    draw = ImageDraw.Draw(image)
    for row in range(height // 2):
        shade = 200 + row * 45 // (height // 2)
        draw.line([(0, row), (width, row)], fill=(shade - 30, shade - 8, min(255, shade + 6)))
    for layer in range(4):
        base = height * (45 + layer * 13) // 100
        tone = (70 + seed[layer] % 60 + layer * 8, 120 + seed[layer + 4] % 50 - layer * 12, 80 + seed[layer + 8] % 30)
        points = [(0, height)]
        for step in range(13):
            lift = seed[(layer * 13 + step) % 32] % (height // 7)
            points.append((width * step // 12, base - lift))
        draw.polygon([*points, (width, height)], fill=tone)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
