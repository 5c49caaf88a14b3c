"""What must be there: title and body, a named source (article 15), a picture where the platform asks for one (article 16)."""

from __future__ import annotations

from gateway.checks.finding import Draft, Finding
from gateway.content import SOURCE_KINDS

_KINDS = {"contributed": "供稿", "reprinted": "转载", "compiled": "编译"}


def check(draft: Draft) -> list[Finding]:
    """Return a finding for each thing that is missing."""
    return [*_words(draft), *_source(draft), *_pictures(draft)]


def _words(draft: Draft) -> list[Finding]:
    found: list[Finding] = []
    if not draft.content.title.strip() and draft.platform != "weibo":
        found.append(
            Finding(
                code="title_missing",
                grade="block",
                rule="R16.1",
                zh="没有标题。请填写标题后再报审（《办法》第十六条）。",
                en="There is no title. Write one before you submit (article 16).",
            )
        )
    if not draft.text.strip() and not any(item.role == "body" for item in draft.content.media):
        found.append(
            Finding(
                code="body_missing",
                grade="block",
                rule="R16.1",
                zh="没有正文。请填写正文后再报审（《办法》第十六条）。",
                en="There is no text. Write it before you submit (article 16).",
            )
        )
    return found


def _source(draft: Draft) -> list[Finding]:
    source = draft.content.source
    if source.kind not in SOURCE_KINDS:
        return [
            Finding(
                code="source_missing",
                grade="block",
                rule="R15.1",
                zh="没有注明来源。请选择原创、供稿、转载或编译（《办法》第十五条）。",
                en="The source is not stated. Choose original, contributed, reprinted or compiled (article 15).",
            )
        ]
    found: list[Finding] = []
    if source.kind in _KINDS and not source.name.strip():
        found.append(
            Finding(
                code="source_name_missing",
                grade="block",
                rule="R15.1",
                zh=f"来源为{_KINDS[source.kind]}，但没有写明来源名称。请补填（《办法》第十五条）。",
                en=f"The source is {source.kind}, yet it has no name. Name it (article 15).",
            )
        )
    if source.kind in {"reprinted", "compiled"} and not source.url:
        found.append(
            Finding(
                code="source_url_missing",
                grade="block",
                rule="R15.1",
                zh=f"来源为{_KINDS[source.kind]}，但没有原文链接。请补填（《办法》第十五条）。",
                en=f"The source is {source.kind}, yet the address of the original is missing. Add it (article 15).",
            )
        )
    return found


def _pictures(draft: Draft) -> list[Finding]:
    if draft.platform == "wechat" and draft.content.cover() is None:
        return [
            Finding(
                code="cover_missing",
                grade="block",
                rule="R16.1",
                zh="没有封面图，公众号不能发布。请上传封面（《办法》第十六条）。",
                en="There is no cover, without which WeChat takes no article. Upload one (article 16).",
            )
        ]
    if not draft.content.media:
        return [
            Finding(
                code="picture_missing",
                grade="confirm",
                rule="R16.1",
                zh="没有配图。新媒体内容一般应图文并茂，请确认（《办法》第十六条）。",
                en="There is no picture. Content should come with one; please confirm (article 16).",
            )
        ]
    return []
