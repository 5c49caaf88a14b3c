"""Characters that nobody sees: they hide words from readers and from word lists, so no field may hold them (article 18)."""

from __future__ import annotations

from gateway.checks.finding import Draft, Finding, Fix, Place, words
from gateway.content import fault_in_text


def check(draft: Draft) -> list[Finding]:
    """Return a finding for each field with a character that the format refuses, at its first place."""
    found: list[Finding] = []
    for field, text in words(draft):
        fault = fault_in_text(text, lines=field == "body")
        if fault is None:
            continue
        reason, at = fault
        if reason == "not_nfc":
            found.append(
                Finding(
                    code="text_not_nfc",
                    grade="block",
                    rule="R18.1",
                    zh="文字里有拆开书写的字符，无法签发。请重新输入该字段（《办法》第十八条）。",
                    en="The text holds decomposed characters and cannot be signed. Type the field again (article 18).",
                )
            )
            continue
        name = f"U+{ord(text[at]):04X}"
        around = text[max(0, at - 6) : at] + f"[{name}]" + text[at + 1 : at + 7]
        found.append(
            Finding(
                code="invisible_character",
                grade="block",
                rule="R18.1",
                fix=Fix(replace_with=""),
                place=Place(field=field, quote=text[at], start=at, end=at + 1),
                zh=f"「{around}」里藏有看不见的字符 {name}。请删除（《办法》第十八条）。",
                en=f"There is an unseen character {name} in {around}. Delete it (article 18).",
            )
        )
    return found
