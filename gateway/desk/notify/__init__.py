"""Telling people: by mail and by one group robot, with a link to exactly one item, and never more of it than its title."""
