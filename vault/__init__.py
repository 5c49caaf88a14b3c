"""The vault: envelope encryption, key slots, factors and signing; it knows nothing of HTTP, platforms or the gateway."""
