"""Drafts: what people write before anyone is asked; kept, normalised, never lost."""
