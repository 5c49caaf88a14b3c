"""Offices and verdicts in words, once for both faces: desk and counter, Chinese and English (pure)."""

from __future__ import annotations

from typing import Final

OFFICE_WORDS: Final[dict[str, tuple[str, str]]] = {
    "founder": ("首任管理人", "Founder"), "unit_head": ("单位负责人", "Unit head"), "leader": ("公司主管领导", "Responsible leader"),
    "brand_pr": ("品牌公关部", "Brand & PR"), "brand_pr_head": ("品牌公关部负责人", "Brand & PR head"), "operator": ("运营人员", "Operator"),
    "author": ("信息管理员", "Author"), "custodian": ("保管人", "Custodian"), "auditor": ("审计员", "Auditor"),
    "sysadmin": ("系统管理员", "System administrator"),
}
VERDICT_WORDS: Final[dict[str, tuple[str, str]]] = {"approve": ("同意", "approve"), "release": ("放行", "release")}


def office_words(office: str, lang: str) -> str:
    """Return an office in words; the office itself where nobody gave it words."""
    return OFFICE_WORDS.get(office, (office, office))[lang == "en"]


def stage_words(verdict: str, office: str, where: str, lang: str) -> str:
    """Return a step of a route in words; `where` names the unit or channel that the office is held for, empty for the whole company."""
    done, held = VERDICT_WORDS.get(verdict, (verdict, verdict))[lang == "en"], office_words(office, lang)
    return f"{held}{' of ' + where if where else ''}: {done}" if lang == "en" else f"{where}{held}{done}"
