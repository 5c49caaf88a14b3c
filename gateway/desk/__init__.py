"""The desk: the process that talks to people and holds no key."""
