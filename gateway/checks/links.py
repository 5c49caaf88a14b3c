"""Links that may lead elsewhere than they seem to: a person looks before they are signed (article 18)."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from gateway.checks.finding import Draft, Finding, Place
from gateway.content import is_url


def check(draft: Draft) -> list[Finding]:
    """Return a finding for each link whose address is no plain web address."""
    found: list[Finding] = []
    source = draft.content.source.url
    named = [("source.url", source)] if source else []
    for field, link in [*(("links", link) for link in draft.content.links), *named]:
        place = Place(field=field, quote=link[:200], start=0, end=len(link))
        if not is_url(link):
            found.append(
                Finding(
                    code="link_refused",
                    grade="block",
                    rule="R18.1",
                    place=place,
                    zh=f"链接「{link[:80]}」不是规范的网址。请改为 http 或 https 网址（《办法》第十八条）。",
                    en=f"{link[:80]} is no well-formed web address. Use an http or https address (article 18).",
                )
            )
        else:
            found.extend(_judge(link, place))
    return found


def _judge(link: str, place: Place) -> list[Finding]:
    parts = urlsplit(link)
    host = parts.hostname or ""
    found: list[Finding] = []
    if "@" in parts.netloc:
        found.append(
            _confirm("link_userinfo", place, f"链接带有用户名部分，实际去往 {host}", f"The link carries a user name and goes to {host}")
        )
    if any(label.startswith("xn--") for label in host.split(".")):
        shown = _shown(host)
        found.append(
            _confirm(
                "link_idn", place, f"链接的域名写作「{shown}」，可能与别的域名形似", f"The host reads {shown} and may look like another"
            )
        )
    if _is_address(host):
        found.append(_confirm("link_address", place, f"链接直接指向 IP 地址 {host}", f"The link names the IP address {host}"))
    return found


def _confirm(code: str, place: Place, zh: str, en: str) -> Finding:
    return Finding(
        code=code,
        grade="confirm",
        rule="R18.1",
        place=place,
        zh=f"{zh}。请确认去向无误（《办法》第十八条）。",
        en=f"{en}. Please confirm that it is meant (article 18).",
    )


def _shown(host: str) -> str:
    try:
        return host.encode("ascii").decode("idna")
    except UnicodeError:
        return host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.rpartition(".")[2].isdecimal()
    return True
