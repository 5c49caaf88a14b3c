"""Every table in one place, so that migrations and their check see the whole schema."""

from __future__ import annotations

from gateway.desk import session_tables
from gateway.desk.database import Base
from gateway.desk.drafts import tables as draft_tables
from gateway.desk.notify import tables as notice_tables
from gateway.desk.readmodel import channels, contents, entries, people, projection, publications, refusals, submissions

MODULES = (
    session_tables, draft_tables, notice_tables, projection, people, channels, contents, submissions, publications, refusals, entries,
)
METADATA = Base.metadata
