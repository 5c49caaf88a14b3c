"""The desk's schema, step by step (Alembic)."""
