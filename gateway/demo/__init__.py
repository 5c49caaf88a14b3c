"""The guided tour: a made-up company, its channels on loopback, and what happens to its articles."""
