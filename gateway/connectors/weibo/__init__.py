"""Weibo over its open interface: short posts with a link on a safe domain."""

from __future__ import annotations

from gateway.connectors.weibo.connector import WeiboConnector

__all__ = ["WeiboConnector"]
