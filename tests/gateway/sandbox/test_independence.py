"""The sandbox stands apart from what it tests."""

from __future__ import annotations

import ast
from pathlib import Path

import gateway.sandbox

FOLDER = Path(gateway.sandbox.__file__).parent


def test_the_sandbox_imports_nothing_else_of_ours():
    """No file of the sandbox imports the vault or another package of the gateway: it cannot share a mistake with them."""
    files = sorted(FOLDER.rglob("*.py"))
    assert len(files) > 30
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                ours = name.split(".")[0] in {"gateway", "vault"}
                assert not ours or name.startswith("gateway.sandbox"), f"{path.name} imports {name}"


def test_the_servers_listen_on_loopback_only(wechat, weibo):
    """All addresses are on 127.0.0.1, with ports of their own."""
    addresses = {wechat.base_url, wechat.control, weibo.base_url, weibo.control}
    assert len(addresses) == 4
    assert all(address.startswith("http://127.0.0.1:") for address in addresses)
