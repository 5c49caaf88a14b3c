"""The extension's own checks, run as people run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageChops

from tests.extension.browser import EXTENSION


def test_types_and_unit_tests_pass() -> None:
    """`npm run check`: tsc --noEmit in strict mode and every test of node's runner."""
    done = subprocess.run(["npm", "run", "-s", "check"], cwd=EXTENSION, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert "# fail 0" in done.stdout
    assert "# skipped 0" in done.stdout


def test_the_icons_are_what_the_script_draws(tmp_path: Path) -> None:
    """Nobody edits a picture by hand: drawing again gives the same pixels."""
    subprocess.run([sys.executable, str(EXTENSION / "icons" / "draw.py"), str(tmp_path)], check=True, timeout=60)
    for size in (16, 32, 48, 128):
        with Image.open(EXTENSION / "icons" / f"{size}.png") as kept, Image.open(tmp_path / f"{size}.png") as drawn:
            assert kept.size == (size, size)
            assert ImageChops.difference(kept.convert("RGBA"), drawn.convert("RGBA")).getbbox() is None


def test_the_categories_have_the_desks_words() -> None:
    """What an operator declares here is what the desk, the counter and the regulation (article 12) call so, number and remark aside."""
    for locale, lang in (("zh_CN", "zh"), ("en", "en")):
        words = json.loads((EXTENSION / "_locales" / locale / "messages.json").read_text(encoding="utf-8"))
        desk = json.loads((EXTENSION.parent / "gateway" / "desk" / "words" / f"{lang}.json").read_text(encoding="utf-8"))
        for category in ("company", "news", "culture", "other"):
            assert words[f"category_{category}"]["message"] in desk[f"category.{category}"], (locale, category)
