"""Migrations equal models; the words are the same keys in both languages; no file of the desk names another host."""

from __future__ import annotations

import json
import re
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import gateway.desk
from gateway.desk.app import WORDS
from gateway.desk.database import migrate, sync_engine
from gateway.desk.tables import METADATA
from gateway.protocol.entries import EntryType

FOLDER = Path(gateway.desk.__file__).parent
DYNAMIC = {
    "entry.", "state.", "operation.", "platform.", "way.", "filing.", "level.", "category.", "source.", "fact.", "grade.", "reason.", "method.",
    "act.", "from.", "verdict.", "counter.", "freeze.", "blackout.", "filter.", "noun.", "able.", "unit.", "status.", "kind.", "welcome.again", "fault.", "gap.", "preview.", "note.field.", "note.taken.", "notice.", "schedule.state.", "schedule.trouble.", "weekday.",
}


def test_migrations_equal_models(tmp_path: Path) -> None:
    """A migrated database has exactly the tables, columns and indexes that the models describe."""
    path = tmp_path / "desk.db"
    migrate(path)
    migrate(path)
    engine = sync_engine(path)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={
            "include_object": lambda _o, name, _k, _r, _c: not str(name).startswith("search_words"), "compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_words_are_complete_and_used() -> None:
    """Both languages hold the same keys; every key a page names exists, and every key is named by a page."""
    words = {lang: json.loads((WORDS / f"{lang}.json").read_text(encoding="utf-8")) for lang in ("zh", "en")}
    assert words["zh"].keys() == words["en"].keys()
    for key in words["zh"]:
        assert sorted(re.findall(r"\{(\w+)\}", words["zh"][key])) == sorted(re.findall(r"\{(\w+)\}", words["en"][key])), key
    text = "\n".join(path.read_text(encoding="utf-8") for kind in ("*.py", "*.html") for path in FOLDER.rglob(kind))
    named = set(re.findall(r"""\bt\(\s*['"]([a-z_.0-9]+)['"]\s*[,)]""", text))
    assert named <= words["zh"].keys(), named - words["zh"].keys()
    unused = {key for key in words["zh"] if f'"{key}"' not in text and f"'{key}'" not in text and not any(key.startswith(p) for p in DYNAMIC)}
    assert not unused
    assert {f"entry.{kind}" for kind in EntryType} <= words["zh"].keys()


def test_templates_escape_and_hold_no_inline_script() -> None:
    """No template turns escaping off, holds an inline handler or style, or names another host."""
    for path in FOLDER.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "|safe" not in text.replace(" ", "")
        assert "autoescape false" not in text
        assert not re.search(r"\son[a-z]+=|<script(?![^>]*\ssrc=)|\sstyle=|javascript:|https?://\w", text), path
