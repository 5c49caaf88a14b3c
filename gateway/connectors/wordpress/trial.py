"""Trying a WordPress credential: the interface, the sign-in, the rights, a draft made and destroyed; nothing becomes public."""

from __future__ import annotations

import secrets
from typing import Final

from gateway.connectors.base import Call, PlatformRefused, ProbeStep
from gateway.connectors.wordpress.site import Site

_RIGHTS: Final = ("publish_posts", "edit_published_posts", "delete_published_posts", "upload_files", "unfiltered_html")
_DONE: Final = ("正常。", "Works.")


async def probe(call: Call, roots: dict[str, str]) -> list[ProbeStep]:
    """Return one step for each thing tried, ending at the first that failed."""
    steps: list[ProbeStep] = []
    try:
        site = Site(call, roots)
        await site.find_root()
        steps.append(_step("interface"))
        me = await site.get("/wp/v2/users/me", context="edit")
        steps.append(_step("sign_in"))
        held = me.get("capabilities", {}) if isinstance(me, dict) else {}
        lacking = [name for name in _RIGHTS if not held.get(name)]
        steps.append(_rights(lacking))
        name = "qf-probe-" + secrets.token_hex(8)
        draft = await site.post("/wp/v2/posts", {"title": name, "slug": name, "status": "draft"})
        await site.post(f"/wp/v2/posts/{int(draft['id'])}", {}, override="DELETE", force="true")
        steps.append(_step("draft"))
    except PlatformRefused as error:
        names = ("interface", "sign_in", "rights", "draft")
        steps.append(ProbeStep(name=names[len(steps)], ok=False, zh=error.zh, en=error.en))
    return steps


def _rights(lacking: list[str]) -> ProbeStep:
    if not lacking:
        return _step("rights")
    listed = ", ".join(lacking)
    return ProbeStep(
        name="rights", ok=False,
        zh=f"这个账号缺少权限：{listed}。请网站管理员把它设为“编辑”角色。",
        en=f"This user lacks rights: {listed}. Ask the site's administrator to make it an editor.",
    )


def _step(name: str) -> ProbeStep:
    return ProbeStep(name=name, ok=True, zh=_DONE[0], en=_DONE[1])
