"""A notice in words: in the language that its reader chose, and in Chinese with English below where nobody knows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from gateway.desk.session_tables import LanguageRow
from gateway.web.i18n import Catalogue

T = Callable[..., str]
"""The catalogue's `t` in one language: a key, and the values of its places."""

BOTH = ""
"""In place of a language: Chinese, then English below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One notice in both languages, each as its label (what is to be done) and one line (about which item)."""

    zh: tuple[str, str]
    en: tuple[str, str]

    def subject(self, lang: str) -> str:
        """Return it as one line; for both languages the label is in both, and the line, most of which is names, in Chinese."""
        if lang == BOTH:
            return f"【{self.zh[0]} / {self.en[0]}】{self.zh[1]}"
        return self._in(lang)

    def text(self, lang: str) -> str:
        """Return its words; for both languages two lines."""
        return f"{self._in('zh')}\n{self._in('en')}" if lang == BOTH else self._in(lang)

    def _in(self, lang: str) -> str:
        return "[{}] {}".format(*self.en) if lang == "en" else "【{}】{}".format(*self.zh)


def say(words: Catalogue, label: str, line: Callable[[T], str]) -> Said:
    """Return a notice: `label` is a key, `line` makes the line from a language's words."""
    def spoken(lang: str) -> tuple[str, str]:
        return words.t(lang, label), line(lambda key, **params: words.t(lang, key, **params))

    return Said(zh=spoken("zh"), en=spoken("en"))


def language_of(session: Session, person: str) -> str:
    """Return the language that a person chose at the desk, `zh` or `en`; `BOTH` where they never did."""
    row = session.get(LanguageRow, person)
    return row.lang if row is not None else BOTH
