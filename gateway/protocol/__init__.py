"""What crosses the socket and fills the log: commands, entries, denials, statements, token claims (pure, versioned)."""
