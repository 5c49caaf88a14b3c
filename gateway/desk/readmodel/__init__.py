"""What the desk knows of the log: its own tables, filled from the feed, rebuildable at any time, deciding nothing."""
