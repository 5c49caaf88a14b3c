"""WordPress over its REST interface, with an application password."""

from __future__ import annotations

from gateway.connectors.wordpress.connector import WordPressConnector

__all__ = ["WordPressConnector"]
