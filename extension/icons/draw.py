"""Draws the seal into 16, 32, 48 and 128 pixel icons: a red square with a white border and two strokes, no font involved.

Run it from anywhere: `python extension/icons/draw.py [folder]`. The same Pillow gives the same pixels.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw

SEAL = (168, 40, 30, 255)
PAPER = (255, 255, 255, 255)
SIZES = (16, 32, 48, 128)
GRID = 1024
STROKES = (
    # the roof of 签 below the bamboo, three short strokes, and the line under them
    ((300, 330), (240, 440)), ((270, 385), (450, 385)), ((580, 330), (520, 440)), ((550, 385), (760, 385)),
    ((512, 430), (240, 600)), ((512, 430), (784, 600)), ((400, 590), (624, 590)),
    ((345, 655), (375, 735)), ((512, 645), (512, 735)), ((680, 655), (640, 735)), ((260, 800), (764, 800)),
)


def draw(size: int) -> Image.Image:
    """Return the seal at `size` pixels."""
    image = Image.new("RGBA", (GRID, GRID), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((32, 32, GRID - 33, GRID - 33), radius=160, fill=SEAL)
    if size > 16:
        pen.rounded_rectangle((104, 104, GRID - 105, GRID - 105), radius=100, outline=PAPER, width=28)
    width = 92 if size <= 32 else 66
    for start, end in STROKES:
        pen.line((start, end), fill=PAPER, width=width)
        for x, y in (start, end):
            pen.ellipse((x - width // 2, y - width // 2, x + width // 2, y + width // 2), fill=PAPER)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def main(folder: Path) -> None:
    """Write the icons into `folder`."""
    for size in SIZES:
        draw(size).save(folder / f"{size}.png", optimize=False, compress_level=9)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
