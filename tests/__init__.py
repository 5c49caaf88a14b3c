"""The tests; a package, so that its kits and commands can be imported by name."""
