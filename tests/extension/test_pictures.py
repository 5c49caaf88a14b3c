"""What an operator sees in the extension's panel; the README's picture of it is made here (`make pictures`)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from tests.extension.people import Office, eventually

DOCS = Path(__file__).parents[2] / "docs" / "pictures"
pytestmark = [pytest.mark.browser, pytest.mark.acceptance]


async def test_the_panel_shows_route_and_obstacles_before_the_button(office: Office, tmp_path: Path) -> None:
    """A captured article stands in the panel with route and button, in 400 px, without scrolling sideways."""
    folder = DOCS if os.environ.get("QIANFA_PICTURES") else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    await office.pair()
    panel = await office.captured("秋收之后，我们把水管修到了地头")
    await panel.set_viewport_size({"width": 400, "height": 900})
    await office.answered(panel)
    await eventually(panel, "document.querySelector('#submit').textContent === '未勾选即声明为“无”，提交审批'")
    assert await panel.evaluate("document.documentElement.scrollWidth") <= 401
    await panel.evaluate("window.scrollTo(0, 0)")
    path = folder / "extension.png"
    await panel.screenshot(path=path)
    with Image.open(path) as image:
        assert len(image.convert("RGB").resize((200, 200)).getcolors(40_000) or []) > 20
