"""The format itself: what docs/spec/content.md does not allow has no digest and cannot be signed."""

from __future__ import annotations

from gateway.checks.finding import Draft, Finding
from gateway.content import NotContent

_SAID_BETTER = frozenset({"title", "author", "source.name", "source.url", "source.kind", "summary"})


def check(draft: Draft) -> list[Finding]:
    """Return one finding where the content is not valid; fields that other checks speak about are left to them."""
    try:
        draft.content.recognised()
    except NotContent as error:
        if error.field in _SAID_BETTER and error.reason not in {"too_long", "edge_space"}:
            return []
        if (error.field, error.reason) == ("title", "too_long"):
            return []
        return [
            Finding(
                code="not_normal",
                grade="block",
                rule="R18.1",
                zh=f"内容不合规范格式（{error.field}：{error.reason}），无法签发。请重新整理后再报审（《办法》第十八条）。",
                en=f"The content breaks the format ({error.field}: {error.reason}) and cannot be signed (article 18).",
            )
        ]
    return []
