"""The first schema: drafts, the read model, notices, sessions, and the words' index.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    _tables_1()
    _tables_2()
    _tables_3()
    _tables_4()
    _tables_5()
    _tables_6()
    _tables_7()
    _tables_8()
    # Chinese has no word breaks: three characters each are indexed (SQLite FTS5, the trigram tokenizer).
    op.execute("CREATE VIRTUAL TABLE search_words USING fts5(kind UNINDEXED, ref UNINDEXED, words, tokenize='trigram')")


def downgrade() -> None:
    """Refuse: a newer desk's drafts are not thrown away.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("the first schema has nothing before it")


def _tables_1() -> None:
    op.create_table(
        "draft_commands",
        sa.Column("person", sa.String(length=80), nullable=False),
        sa.Column("command", sa.String(length=80), nullable=False),
        sa.Column("body", sa.String(length=80), nullable=False),
        sa.Column("draft", sa.String(length=40), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("person", "command", name=op.f("pk_draft_commands")),
    )
    op.create_table(
        "draft_pictures",
        sa.Column("draft", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("draft", "digest", name=op.f("pk_draft_pictures")),
    )
    op.create_table(
        "draft_revisions",
        sa.Column("draft", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("form", sa.JSON(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("draft", "version", name=op.f("pk_draft_revisions")),
    )
    op.create_table(
        "drafts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("submission", sa.String(length=80), nullable=True),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("form", sa.JSON(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", sa.String(length=24), nullable=False),
        sa.Column("changed_at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
    )
    op.create_index(op.f("ix_drafts_owner_changed_at"), "drafts", ["owner", "changed_at"], unique=False)
    op.create_index(op.f("ix_drafts_owner_state_changed_at"), "drafts", ["owner", "state", "changed_at"], unique=False)
    op.create_index(op.f("ix_drafts_unit_changed_at"), "drafts", ["unit", "changed_at"], unique=False)


def _tables_2() -> None:
    op.create_table(
        "notices",
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("way", sa.String(length=10), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("link", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.String(length=24), nullable=False),
        sa.Column("next_at", sa.String(length=24), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notices")),
    )
    op.create_index(op.f("ix_notices_state_next_at"), "notices", ["state", "next_at"], unique=False)
    op.create_table(
        "paired_origins",
        sa.Column("origin", sa.String(length=100), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_paired_origins")),
    )
    op.create_table(
        "read_appointments",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("person", sa.String(length=80), nullable=False),
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("start", sa.String(length=24), nullable=False),
        sa.Column("end", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_appointments")),
    )
    op.create_index(op.f("ix_read_appointments_office_scope"), "read_appointments", ["office", "scope"], unique=False)
    op.create_index(op.f("ix_read_appointments_person"), "read_appointments", ["person"], unique=False)
    op.create_table(
        "read_channels",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("filing", sa.String(length=20), nullable=False),
        sa.Column("filing_number", sa.String(length=200), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("custodians", sa.JSON(), nullable=False),
        sa.Column("credential_version", sa.Integer(), nullable=True),
        sa.Column("credential_at", sa.String(length=24), nullable=True),
        sa.Column("sent_day", sa.String(length=10), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_channels")),
    )


def _tables_3() -> None:
    op.create_table(
        "read_contents",
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_read_contents")),
    )
    op.create_table(
        "read_counters",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_read_counters")),
    )
    op.create_table(
        "read_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("next_seq", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.String(length=80), nullable=False),
        sa.Column("deployment", sa.String(length=80), nullable=False),
        sa.Column("group_unit", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_cursor")),
    )
    op.create_table(
        "read_decisions",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("submission", sa.String(length=80), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=200), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("person", sa.String(length=80), nullable=False),
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("statement", sa.String(length=80), nullable=False),
        sa.Column("comment", sa.String(length=80), nullable=True),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("standing", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_read_decisions")),
    )
    op.create_index(op.f("ix_read_decisions_person_at"), "read_decisions", ["person", "at"], unique=False)
    op.create_index(op.f("ix_read_decisions_submission"), "read_decisions", ["submission"], unique=False)


def _tables_4() -> None:
    op.create_table(
        "read_entries",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("object", sa.String(length=80), nullable=False),
        sa.Column("thread", sa.String(length=80), nullable=True),
        sa.Column("channel", sa.String(length=80), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_read_entries")),
    )
    op.create_index(op.f("ix_read_entries_actor_seq"), "read_entries", ["actor", "seq"], unique=False)
    op.create_index(op.f("ix_read_entries_channel_seq"), "read_entries", ["channel", "seq"], unique=False)
    op.create_index(op.f("ix_read_entries_day_seq"), "read_entries", ["day", "seq"], unique=False)
    op.create_index(op.f("ix_read_entries_object_seq"), "read_entries", ["object", "seq"], unique=False)
    op.create_index(op.f("ix_read_entries_thread_seq"), "read_entries", ["thread", "seq"], unique=False)
    op.create_index(op.f("ix_read_entries_type_seq"), "read_entries", ["type", "seq"], unique=False)
    op.create_table(
        "read_freezes",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("scope", sa.String(length=20), nullable=False),
        sa.Column("target", sa.String(length=80), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_freezes")),
    )
    op.create_table(
        "read_people",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("enrolled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_people")),
    )
    op.create_table(
        "read_proposals",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("until", sa.String(length=24), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_proposals")),
    )


def _tables_5() -> None:
    op.create_table(
        "read_publications",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("submission", sa.String(length=80), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("operation", sa.String(length=10), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("content", sa.String(length=80), nullable=True),
        sa.Column("template", sa.String(length=80), nullable=False),
        sa.Column("previous", sa.String(length=80), nullable=True),
        sa.Column("jti", sa.String(length=80), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=False),
        sa.Column("credential", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("emergency", sa.Boolean(), nullable=False),
        sa.Column("not_before", sa.String(length=24), nullable=False),
        sa.Column("window_to", sa.String(length=24), nullable=False),
        sa.Column("released_at", sa.String(length=24), nullable=False),
        sa.Column("changed_at", sa.String(length=24), nullable=False),
        sa.Column("checked_at", sa.String(length=24), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("snapshot", sa.String(length=80), nullable=False),
        sa.Column("remote_id", sa.String(length=400), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("drift", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_publications")),
    )
    op.create_index(op.f("ix_read_publications_changed_at"), "read_publications", ["changed_at"], unique=False)
    op.create_index(op.f("ix_read_publications_channel_changed_at"), "read_publications", ["channel", "changed_at"], unique=False)
    op.create_index(op.f("ix_read_publications_state_changed_at"), "read_publications", ["state", "changed_at"], unique=False)
    op.create_index(op.f("ix_read_publications_submission"), "read_publications", ["submission"], unique=False)
    op.create_index(op.f("ix_read_publications_url"), "read_publications", ["url"], unique=False)


def _tables_6() -> None:
    op.create_table(
        "read_refusals",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("rule", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("channel", sa.String(length=80), nullable=True),
        sa.Column("about", sa.String(length=80), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("missing", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_refusals")),
    )
    op.create_index(op.f("ix_read_refusals_actor_at"), "read_refusals", ["actor", "at"], unique=False)
    op.create_index(op.f("ix_read_refusals_at"), "read_refusals", ["at"], unique=False)
    op.create_table(
        "read_release_times",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_read_release_times")),
    )
    op.create_index(op.f("ix_read_release_times_unit_at"), "read_release_times", ["unit", "at"], unique=False)


def _tables_7() -> None:
    op.create_table(
        "read_submissions",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("draft", sa.String(length=80), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("content", sa.String(length=80), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("targets", sa.JSON(), nullable=False),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("waiting", sa.JSON(), nullable=False),
        sa.Column("since", sa.String(length=24), nullable=False),
        sa.Column("window_to", sa.String(length=24), nullable=False),
        sa.Column("scheduled", sa.String(length=24), nullable=True),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("message", sa.String(length=80), nullable=True),
        sa.Column("emergency", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.String(length=24), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("returned", sa.JSON(), nullable=True),
        sa.Column("publications", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_submissions")),
    )
    op.create_index(op.f("ix_read_submissions_author_made_at"), "read_submissions", ["author", "made_at"], unique=False)
    op.create_index(op.f("ix_read_submissions_number"), "read_submissions", ["number"], unique=False)
    op.create_index(op.f("ix_read_submissions_state_made_at"), "read_submissions", ["state", "made_at"], unique=False)
    op.create_index(op.f("ix_read_submissions_unit_made_at"), "read_submissions", ["unit", "made_at"], unique=False)
    op.create_table(
        "read_texts",
        sa.Column("commitment", sa.String(length=80), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("commitment", name=op.f("pk_read_texts")),
    )
    op.create_table(
        "read_units",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("parent", sa.String(length=80), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_units")),
    )


def _tables_8() -> None:
    op.create_table(
        "read_waiting",
        sa.Column("submission", sa.String(length=80), nullable=False),
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("stage", sa.String(length=200), nullable=False),
        sa.Column("window_to", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("submission", "office", "scope", name=op.f("pk_read_waiting")),
    )
    op.create_index(op.f("ix_read_waiting_office_scope_window_to"), "read_waiting", ["office", "scope", "window_to"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token", sa.String(length=80), nullable=False),
        sa.Column("person", sa.String(length=80), nullable=False),
        sa.Column("known", sa.JSON(), nullable=False),
        sa.Column("expires", sa.String(length=24), nullable=False),
        sa.Column("seen_at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_sessions")),
    )
