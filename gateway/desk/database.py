"""The desk's database: SQLAlchemy over SQLite, brought up to date by its migrations at every start."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

MIGRATIONS: Final = Path(__file__).parent / "migrations"
Sessions = async_sessionmaker[AsyncSession]
_T = TypeVar("_T")


class Base(DeclarativeBase):
    """Every table of the desk."""

    metadata = MetaData(naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    })


def _pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def migrate(path: Path) -> None:
    """Bring the database file at `path` to the newest schema, making it where there is none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = sync_engine(path)
    try:
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
    path.chmod(0o600)


def sync_engine(path: Path) -> Engine:
    """Return a blocking engine on the file, for migrations."""
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _pragmas)
    return engine


def open_engine(path: Path) -> AsyncEngine:
    """Return the engine that the running desk uses."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    event.listen(engine.sync_engine, "connect", _pragmas)
    return engine


def sessions(engine: AsyncEngine) -> Sessions:
    """Return what opens a unit of work; rows stay readable after its commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def keep(sessions: Sessions, row: Base) -> None:
    """Insert a row, or update the one of its key: also where another request inserts it between our look and our writing."""
    try:
        async with sessions.begin() as session:
            await session.merge(row)
    except IntegrityError:
        async with sessions.begin() as session:  # now it is there
            await session.merge(row)


async def finished(work: Coroutine[Any, Any, _T]) -> _T:
    """Return the result of `work`, waiting for its end also where we are cancelled meanwhile.

    A task that ends with the desk does its units of work through this: cut off in the middle, a connection is lost to its pool open, and
    what was sent to somebody could not be marked as sent.

    Raises:
        CancelledError: we were cancelled; `work` has ended.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
