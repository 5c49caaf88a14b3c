"""What WeChat does to an article's HTML on arrival: JavaScript goes, pictures from elsewhere lose their address.

The answer of draft/get is the filtered text, so its bytes differ from what was sent (attribute quoting and order of
white space are WeChat's own). Source: documentation of draft/add.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape, unescape
from html.parser import HTMLParser
from urllib.parse import urlsplit

Allowed = Callable[[str], bool]

TENCENT_PICTURE_HOSTS = frozenset({"mmbiz.qpic.cn", "mmbiz.qlogo.cn"})
_DROPPED_WITH_CONTENT = frozenset({"script", "iframe", "object", "embed", "applet"})
_DROPPED_TAGS = frozenset({"base", "link", "meta", "html", "head", "body"})
_VOID = frozenset({"area", "br", "col", "hr", "img", "input", "source", "track", "wbr", "embed"})
_PICTURE_ATTRIBUTES = frozenset({"src", "data-src", "srcset", "poster", "background", "xlink:href"})
_CSS_URL = re.compile(r"url\(\s*(['\"]?)(.*?)\1\s*\)", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def filtered(content: str, own_pictures: frozenset[str]) -> str:
    """Return the HTML as WeChat keeps it; `own_pictures` are addresses this account's uploads were given."""
    parser = _Filter(lambda address: _is_ours(address, own_pictures))
    parser.feed(content)
    parser.close()
    return "".join(parser.out)


def plain_text(content: str) -> str:
    """Return an article's text without markup, white space folded."""
    parser = _Text()
    parser.feed(content)
    parser.close()
    return _SPACES.sub(" ", "".join(parser.out)).strip()


def _is_ours(address: str, own_pictures: frozenset[str]) -> bool:
    return address in own_pictures or urlsplit(address).hostname in TENCENT_PICTURE_HOSTS


def _runs_script(address: str) -> bool:
    squeezed = "".join(char for char in unescape(address) if char > " ").lower()
    return squeezed.startswith(("javascript:", "vbscript:", "data:text"))


class _Filter(HTMLParser):
    def __init__(self, allowed: Allowed) -> None:
        super().__init__(convert_charrefs=False)
        self.out: list[str] = []
        self._allowed = allowed
        self._inside = ""
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._inside:
            self._depth += tag == self._inside
        elif tag in _DROPPED_WITH_CONTENT:
            self._inside, self._depth = ("", 0) if tag in _VOID else (tag, 1)
        elif tag not in _DROPPED_TAGS:
            kept = "".join(self._attribute(tag, name, value) for name, value in attrs)
            self.out.append(f"<{tag}{kept} />" if tag in _VOID else f"<{tag}{kept}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside:
            self._depth -= tag == self._inside
            if self._depth <= 0:
                self._inside = ""
        elif tag not in _VOID and tag not in _DROPPED_TAGS and tag not in _DROPPED_WITH_CONTENT:
            self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.out.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")

    def _attribute(self, tag: str, name: str, value: str | None) -> str:
        """Write one attribute, or nothing when WeChat takes it away."""
        if name.startswith("on"):
            return ""
        if value is None:
            return f" {name}"
        if name in {"href", "src", "action", "formaction"} and _runs_script(value):
            return ""
        if name in _PICTURE_ATTRIBUTES and tag != "a" and not self._allowed(value):
            return ""
        if name == "style":
            value = _CSS_URL.sub(lambda found: found.group(0) if self._allowed(found.group(2)) else "", value)
        return f' {name}="{escape(value)}"'


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._silent += tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in {"script", "style"} and self._silent > 0

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.out.append(data)
