"""The JSON API for the extension and other clients, version 1."""
