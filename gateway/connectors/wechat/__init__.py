"""WeChat Official Accounts over their interface: drafts and publishing without a push."""

from __future__ import annotations

from gateway.connectors.wechat.connector import WeChatConnector

__all__ = ["WeChatConnector"]
