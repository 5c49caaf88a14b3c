"""Loopback WeChat and Weibo that behave as documented, for the demonstration, training and tests.

`running_wechat` and `running_weibo` start one inside a test; `python -m gateway.sandbox` runs both on their own.
The sandbox knows nothing of the gateway: it imports none of its other packages.
"""

from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.faults import Fault, Faults, UnknownFault
from gateway.sandbox.ledger import Ledger, Record
from gateway.sandbox.platform import NoSuchTarget, Platform
from gateway.sandbox.running import listening, running, running_wechat, running_weibo
from gateway.sandbox.wechat.app import WeChat
from gateway.sandbox.weibo.app import Weibo

__all__ = [
    "Fault",
    "Faults",
    "Ledger",
    "NoSuchTarget",
    "Platform",
    "Record",
    "SandboxClock",
    "UnknownFault",
    "WeChat",
    "Weibo",
    "listening",
    "running",
    "running_wechat",
    "running_weibo",
]
