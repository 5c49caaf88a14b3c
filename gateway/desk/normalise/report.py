"""What the normaliser tells the author: what was taken out, which pictures are missing, and why an input was refused."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.desk.normalise.pictures import NormalPicture


class NormaliseRefused(ValueError):
    """The input cannot be brought into normal form; `zh` and `en` say what is wrong and what to do next."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{code}: {en}")
        self.code = code
        self.zh = zh
        self.en = en


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """One kind of thing that was taken out or changed, with its first example.

    Args:
        kind: `script`, `event`, `style`, `css_url`, `link`, `embedded`, `drawing`, `form`, `element`, `hidden`,
            `invisible`, `comment`, `depth`, `structure`, `picture`.
        what: the element, property or character.
        before: the source of the first example, shortened.
        after: what stands there now; empty where nothing does.
        where: the words of the text just before the place, empty at the beginning.
        count: how often it was met.
    """

    kind: str
    what: str
    before: str
    after: str
    where: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureNeeded:
    """A picture that could not be read from here (「未能读取」): its address, alternative text and place in words."""

    url: str
    alt: str
    where: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """The body in normal form and everything the author must be told about how it came to be.

    `pictures` are the ones found inside the source (data: addresses), already normal; `pictures_needed` are absent from the
    body until the caller normalises the same source again with their addresses in `known`.
    """

    body: str
    removed: tuple[Removed, ...]
    pictures: tuple[NormalPicture, ...]
    pictures_needed: tuple[PictureNeeded, ...]
    warnings: tuple[str, ...]


class Report:
    """Collects what was removed, one line a kind and thing."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], Removed] = {}
        self.needed: list[PictureNeeded] = []
        self._tail = ""

    def read(self, text: str) -> None:
        """Remember the last words of the text as the place of what comes next."""
        self._tail = (self._tail + text)[-20:]

    def where(self) -> str:
        """Return the words just before the present place."""
        return self._tail.strip()

    def add(self, kind: str, what: str, before: str, after: str = "") -> None:
        """Count one removal; only the first of its kind keeps its example, and at most 200 kinds are listed."""
        key = (kind, what[:60])
        known = self._lines.get(key)
        if known is None and len(self._lines) >= 200:
            key = (kind, "…")
            known = self._lines.get(key)
        self._lines[key] = Removed(
            kind=kind,
            what=key[1],
            before=known.before if known else before[:200],
            after=known.after if known else after[:200],
            where=known.where if known else self.where(),
            count=(known.count if known else 0) + 1,
        )

    def lines(self) -> tuple[Removed, ...]:
        """Return the lines in the order they were first met."""
        return tuple(self._lines.values())
