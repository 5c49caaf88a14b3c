"""A change in plain words: what it is, about whom or what, and each value before and after."""

from __future__ import annotations

from typing import Any, Final

from gateway.enforcer.counter.shown import fingerprint, when
from gateway.enforcer.counter.waiting import content_of
from gateway.enforcer.parts import Parts
from gateway.enforcer.views import ENTRY_WORDS
from gateway.machine.state import Publication, State
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType

LABELS: Final = {
    "name": ("名称", "Name"), "unit": ("单位", "Unit"), "parent": ("上级", "Parent"), "kind": ("类型", "Kind"), "office": ("职务", "Office"),
    "scope": ("范围", "Scope"), "start": ("自", "From"), "end": ("至", "To"), "platform": ("平台", "Platform"), "account": ("账号", "Account"),
    "level": ("级别", "Level"), "filing": ("备案", "Filing"), "filing_number": ("备案号", "Filing number"), "settings": ("设置", "Settings"),
    "custodians": ("保管人", "Custodians"), "value": ("开关", "Switch"), "until": ("有效至", "Valid to"), "version": ("版本", "Version"),
    "person": ("人员", "Person"), "title": ("职务名称", "Title"), "extension": ("分机", "Extension"), "mail": ("邮箱", "Mail"), "url": ("链接", "Link"),
    "id": ("编号", "Id"), "factor": ("验证方式", "Factors"), "sha256": ("密文指纹", "Ciphertext digest"), "cause": ("原因", "Cause"),
    "how": ("依据", "Basis"), "target": ("对象", "Of"), "reason": ("事由", "Reason"),
}
VALUES: Final = {
    "company": ("公司平台", "company channel"), "own": ("自有平台", "a unit's own channel"), "filed": ("已备案", "in force"),
    "changing": ("变更备案中", "being changed"), "suspended": ("已暂停", "suspended"), "cancelled": ("已注销", "cancelled"), "on": ("开", "on"),
    "off": ("关", "off"), "subsidiary": ("分子公司", "subsidiary"), "department": ("部门", "department"), "all": ("全部", "all"),
    "people": ("两人核实未发出", "two people found that it did not go out"), "wechat": ("公众号", "WeChat"), "weibo": ("微博", "Weibo"),
    "wordpress": ("官网", "website"), "unit": ("单位", "unit"), "channel": ("渠道", "channel"), "submission": ("稿件", "submission"), "mourning": ("哀悼日", "day of mourning"),
    "assembly": ("重要会议", "important meeting"), "earnings": ("财报静默期", "quiet period before results"),
    "incident": ("事故后静默", "silence after an accident"), "other": ("其他", "other"),
}
SWITCH_WORDS: Final = {
    "totp_release": ("正式环境允许用动态码放行", "A code may release in a live deployment"),
    "totp_route": ("正式环境允许全程只用动态码", "Codes alone may complete a live route"),
}
_HIDDEN: Final = frozenset({"code", "secret"})


def describe(parts: Parts, change: Change, lang: str) -> dict[str, Any]:
    """Return a change as {title, about, rows: [(label, before, after)]}."""
    en = lang == "en"
    rows = []
    for name, value in _flat(change.data).items():
        if name in _HIDDEN:
            continue
        before = _before(parts.runner.state, change, name)
        rows.append((LABELS.get(name, (name, name))[en], _shown(parts, name, before, en) if before is not None else "",
                     _shown(parts, name, value, en)))
    return {"title": ENTRY_WORDS.get(change.type, (change.type, change.type))[en], "about": _about(parts, change, en), "rows": rows}


def sent_words(parts: Parts, publication: Publication) -> str:
    """Return a send as people know it: title, channel, and when it was handed to the platform."""
    content = content_of(parts.runner.blobs, publication.content) if publication.content else None
    sent = when(publication.dispatched_at)
    return " · ".join(words for words in (content.title if content else "", parts.views.scope(publication.channel), sent) if words)


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    details = data.get("details", {})
    return {**{k: v for k, v in data.items() if k != "details"}, **(details if isinstance(details, dict) else {})}


def _about(parts: Parts, change: Change, en: bool) -> str:  # noqa: FBT001 -- the index of a pair of words
    state, views, thing = parts.runner.state, parts.views, change.object
    if change.type == EntryType.POLICY_SET:
        return SWITCH_WORDS.get(thing, (thing, thing))[en]
    if change.type == EntryType.APPOINTMENT_ENDED and thing in state.appointments:
        held = state.appointments[thing]
        return f"{views.name(held.person)} · {views.office_words(held.office, 'en' if en else 'zh')} · {views.scope(held.scope)}"
    if thing in state.people:
        return views.name(thing)
    if thing in state.freezes:
        frozen = state.freezes[thing]
        over = VALUES[frozen.scope][en] + (f" {views.scope(frozen.target)}" if frozen.target else "")
        return f"{over} · {views.name(frozen.by)}"
    if thing in state.blackouts:
        days = state.blackouts[thing]
        named = views.scope(days.target) if days.target else VALUES["all"][en]
        return f"{named} · {VALUES[days.kind][en]} · {when(days.start)} – {when(days.end)}"
    if thing in state.publications:
        return sent_words(parts, state.publications[thing])
    return views.scope(thing) if thing in state.channels or thing in state.units else ""


def _before(state: State, change: Change, name: str) -> Any:
    if change.type == EntryType.CHANNEL_CHANGED and change.object in state.channels:
        return getattr(state.channels[change.object], name, None)
    if change.type == EntryType.POLICY_SET:
        return state.switches.get(change.object, "off")
    if change.type == EntryType.APPOINTMENT_ENDED and change.object in state.appointments:
        return state.appointments[change.object].end
    if change.type == EntryType.CREDENTIAL_STORED and name == "version" and change.object in state.channels:
        return state.channels[change.object].credential_version
    return None


def _shown(parts: Parts, name: str, value: Any, en: bool) -> str:  # noqa: FBT001 -- the index of a pair of words
    views = parts.views
    if isinstance(value, dict):
        return "; ".join(f"{key}={item}" for key, item in value.items()) or "–"
    if isinstance(value, (list, tuple)):
        return (", " if en else "、").join(views.name(item) for item in value) or "–"
    text = str(value)
    if name in {"start", "end", "until"}:
        return "–" if text.startswith("9999") else when(text)
    if name == "office":
        return views.office_words(text, "en" if en else "zh")
    if name in {"scope", "unit", "parent", "target"}:
        return VALUES[text][en] if text in {"all", "unit", "channel"} else views.scope(text)
    if name == "person":
        return views.name(text)
    if name == "sha256":
        return fingerprint(text, 8)
    if text.startswith("sha256:"):
        return parts.values.text(text) or "–"
    if name in {"level", "filing", "value", "kind", "factor", "how", "platform"}:
        return VALUES.get(text, (text, text))[en]
    return text
