"""What people see: desk and counter in real Chromium at 375 and 1440 px, in both languages; the README's pictures are made here.

`QIANFA_PICTURES=1` (make pictures) writes them to docs/pictures; otherwise they go to a folder of the test, and the checks are the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from gateway.demo.play import Story
from tests.acceptance.conftest import Stage

pytestmark = pytest.mark.xdist_group("stage")

DOCS = Path(__file__).parents[2] / "docs" / "pictures"
SIZES = {1440: 900, 375: 812}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where this run's pictures go."""
    folder = DOCS if os.environ.get("QIANFA_PICTURES") else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def person_at(chromium: Browser, stage: Stage, key: str, width: int, lang: str) -> tuple[BrowserContext, Page]:
    """Sign a person in at counter and desk by the demo's card and return a page."""
    context = chromium.new_context(viewport={"width": width, "height": SIZES[width]}, locale="zh-CN" if lang == "zh" else "en-US",
                                   device_scale_factor=2 if width == 375 else 1)
    page = context.new_page()
    page.goto(f"{stage.set.settings.counter_url}/s/demo")
    page.locator(f"form:has(input[value='{stage.set.staffed.people[key]}']) button").click()
    page.wait_for_url("**/s/**")
    return context, page


def sign_in_at_the_desk(page: Page, stage: Stage) -> None:
    """Go from the counter's session to the desk's, as the desk's one button does."""
    page.goto(stage.set.settings.desk_url + "/sign-in")
    if page.url.startswith(stage.set.settings.counter_url):
        page.locator("form[action*='desk-signin'] button").first.click()
    page.wait_for_url(stage.set.settings.desk_url + "/**")


SMALL = """() => [...document.querySelectorAll('.btn, nav a, summary, select')].filter(e => e.checkVisibility({visibilityProperty: true}))
  .filter(e => { const r = e.getBoundingClientRect(); return r.height > 0 && r.height < 44 && !e.classList.contains('visually-hidden'); })
  .map(e => e.outerHTML.slice(0, 120))"""
"""What a finger would miss: less than 44 px high."""


FAINT = """() => {
  const rgba = c => { const n = c.match(/[\\d.]+/g).map(Number), scale = c.startsWith('color(') ? 255 : 1;
    return [n[0] * scale, n[1] * scale, n[2] * scale, n[3] ?? 1]; };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3]));
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const under = e => { const fills = []; for (let n = e; n; n = n.parentElement) fills.push(rgba(getComputedStyle(n).backgroundColor));
    return fills.reverse().reduce((base, fill) => over(fill, base), [255, 255, 255]); };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility({visibilityProperty: true}) || e.closest('svg, [disabled], [aria-disabled=true], .visually-hidden, .skip')) continue;
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    let seen = 1; for (let n = e; n; n = n.parentElement) seen *= getComputedStyle(n).opacity;
    const style = getComputedStyle(e), ground = under(e), ink = rgba(style.color), [a, b] = [light(over([...ink.slice(0, 3), ink[3] * seen], ground)), light(ground)];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) found.push(ratio.toFixed(2) + ' ' + e.outerHTML.slice(0, 100));
  }
  return [...new Set(found)]; }"""
"""Words that are too faint on what they stand on: less than 4.5:1, large ones 3:1 (WCAG 2.2, 1.4.3)."""


def aside(pictures: Path, name: str, *, kept: bool) -> Path:
    """Return where a picture goes: those the README shows to its folder, the others of a run that makes them beside the build."""
    return pictures / name if kept or not os.environ.get("QIANFA_PICTURES") else DOCS.parents[1] / "build" / name


def check(page: Page, path: Path, width: int, *, scrolls_sideways: bool = False) -> None:
    """Save a picture and hold it to what any page must keep: drawn, not blank, not wider than the screen, no tap target too small on a phone."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path)
    with Image.open(path) as image:
        assert len(image.convert("RGB").resize((200, 200)).getcolors(40_000) or []) > 20, f"{path.name} is blank"
    if not scrolls_sideways:
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width + 1, f"{path.name} is {wide} px wide on a screen of {width}"
    if width < 720:
        assert page.evaluate(SMALL) == [], path.name
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of its words
        assert page.evaluate(FAINT) == [], f"{path.name}, {scheme}"
    page.emulate_media(media="print")
    assert page.evaluate(FAINT) == [], f"{path.name} on paper, from a dark screen"
    assert page.locator(".btn:visible, .bar .links:visible, nav.nav:visible, .rail:visible").count() == 0, f"{path.name} on paper"
    page.emulate_media(media="screen", color_scheme="light")


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("width", [1440, 375])
def test_the_review_page(chromium: Browser, stage: Stage, story: Story, pictures: Path, width: int, lang: str) -> None:
    """An approver sees the exact article, the route and the two buttons without scrolling sideways."""
    context, page = person_at(chromium, stage, "gu", width, lang)
    page.goto(f"{stage.set.settings.counter_url}/s/")
    check(page, aside(pictures, f"queue-{width}-{lang}.png", kept=False), width)
    page.locator("a[href^='/s/item/']:visible").first.click()
    page.wait_for_load_state("networkidle")
    frame = page.frame_locator("iframe.rendition")
    assert frame.locator("body").inner_text().strip()
    assert page.locator("form[action='/s/sheet'] button.primary").is_visible()
    name = f"counter-{width}.png" if lang == "zh" else f"counter-{width}-en.png"
    check(page, aside(pictures, name, kept=lang == "zh"), width)
    context.close()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("width", [1440, 375])
@pytest.mark.parametrize("path", ["/", "/drafts", "/publications", "/log", "/refusals", "/channels", "/people", "/status"])
def test_the_desk_pages(chromium: Browser, stage: Stage, story: Story, pictures: Path, path: str, width: int, lang: str) -> None:
    """Every page of the desk is drawn, speaks the language, and fits the screen."""
    context, page = person_at(chromium, stage, "gu" if path == "/" else "xu", width, lang)
    sign_in_at_the_desk(page, stage)
    answer = page.goto(stage.set.settings.desk_url + path)
    assert answer is not None
    assert answer.status == 200
    assert page.url == stage.set.settings.desk_url + path
    assert page.locator("nav a[href='/drafts']").count(), "this is not a page of the desk's inside"
    if path == "/":
        assert page.locator("section:has(h2:text-matches('已冻结，等解冻|Frozen, waiting')) li").count() == 1, "what is frozen stands among what can be signed"
    if path == "/publications":
        assert page.locator(".strip.ice").count() == 1, "the sample that is frozen is not"
    first = path == "/" and lang == "zh"
    name = f"desk-{width}.png" if first else f"desk{path.replace('/', '-').rstrip('-')}-{width}-{lang}.png"
    check(page, aside(pictures, name, kept=first), width)
    context.close()
