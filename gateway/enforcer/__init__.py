"""The enforcer: the process that holds the keys and is the only one that talks to platforms."""
