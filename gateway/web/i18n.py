"""Words by key in two languages: Chinese first, English complete.

A face keeps its words in `words/zh.json` and `words/en.json`, flat objects of dotted keys. Both files have the same keys; a missing
key is a fault of the program and raises, so that no page ever shows one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LANGUAGES: Final = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The words of one face, by language and key."""

    words: dict[str, dict[str, str]]

    @classmethod
    def load(cls, folder: Path) -> Catalogue:
        """Return the catalogue in `folder`, whose languages hold the same keys.

        Raises:
            ValueError: a key stands in one language only.
        """
        words = {lang: json.loads((folder / f"{lang}.json").read_text(encoding="utf-8")) for lang in LANGUAGES}
        odd = set(words["zh"]) ^ set(words["en"])
        if odd:
            raise ValueError(f"keys in one language only: {', '.join(sorted(odd))}")
        return cls(words)

    def t(self, lang: str, key: str, **params: object) -> str:
        """Return the words of `key` in `lang` (anything but `en` is Chinese), with `{name}` places filled from `params`.

        Raises:
            KeyError: there is no such key, or a place has no value.
        """
        text = self.words["en" if lang == "en" else "zh"][key]
        return text.format(**params) if params else text


def preferred(header: str) -> str:
    """Return `en` where an Accept-Language header (RFC 9110 section 12.5.4) asks for English before Chinese, else `zh`."""
    best, best_weight = "zh", 0.0
    for part in header.split(","):
        tag, _, parameters = part.strip().lower().partition(";")
        weight = 1.0
        if parameters.strip().startswith("q="):
            try:
                weight = float(parameters.strip()[2:])
            except ValueError:
                continue
        lang = tag.split("-")[0]
        if lang in LANGUAGES and weight > best_weight:
            best, best_weight = lang, weight
    return best
