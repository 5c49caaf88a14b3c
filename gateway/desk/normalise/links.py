"""Addresses as people type them, brought to the one spelling of the format."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

from gateway.content.text import is_url

_CONTROL: Final = re.compile("[\x00-\x20\x7f\\\\]")
_PERCENT: Final = re.compile("%([0-9A-Fa-f]{2})?")
_PATH: Final = "-._~:@!$&'()*+,;=/%"


def normal_url(source: str) -> str | None:
    """Return the address as an absolute http or https URL in normal spelling, or None where it is anything else.

    `//host/…` becomes https; host names become lower-case ASCII (IDNA 2003, RFC 3490), other characters are percent-encoded
    (RFC 3986 section 2.1). Back-slashes, controls and spaces inside make it None: browsers disagree about them.
    """
    source = source.strip(" \t\n\r\f")
    if source.startswith("//"):
        source = "https:" + source
    if _CONTROL.search(source) or len(source) > 8192:
        return None
    try:
        parts = urlsplit(source)
        host, port = parts.hostname, parts.port
        if parts.scheme not in {"http", "https"} or not host:
            return None
        name = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii").lower()
        user = _quoted(parts.netloc.rpartition("@")[0], "-._~!$&'()*+,;=:%")
        url = f"{parts.scheme}://{user + '@' if user else ''}{name}"
        if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
            url += f":{port}"
        url += _quoted(parts.path, _PATH) or "/"
        url += f"?{_quoted(parts.query, _PATH + '?')}" if parts.query else ""
        url += f"#{_quoted(parts.fragment, _PATH + '?')}" if parts.fragment else ""
    except (ValueError, UnicodeError):
        return None
    return url if is_url(url) else None


def _quoted(text: str, safe: str) -> str:
    spelt = _PERCENT.sub(lambda found: found[0].upper() if found[1] else "%25", text)
    return quote(spelt, safe=safe)
