"""WeChat's error answers: the codes the sandbox can give and the English words WeChat sends with them.

Source: the error code tables collected for the project (documentation, SDK enumerations, observed answers).
"""

from __future__ import annotations

import secrets

from gateway.sandbox.wire import JSON

WORDS: dict[int, str] = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40004: "invalid media type",
    40005: "invalid file type",
    40006: "invalid meida size",
    40007: "invalid media_id",
    40008: "invalid message type",
    40009: "invalid image size",
    40010: "invalid voice size",
    40011: "invalid video size",
    40012: "invalid thumb size",
    40013: "invalid appid",
    40014: "invalid access_token",
    40016: "invalid button size",
    40033: "invalid charset. please check your request, if include \\uxxxx will create fail!",
    40035: "invalid parameter",
    40066: "invalid url",
    40097: "invalid args",
    40125: "invalid appsecret",
    40137: "invalid image format",
    40164: "invalid ip",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41005: "media data missing",
    41006: "media_id missing",
    42001: "access_token expired",
    43001: "require GET method",
    43002: "require POST method",
    44001: "empty media data",
    44002: "empty post data",
    44003: "empty news data",
    45001: "media size out of limit",
    45002: "content size out of limit",
    45003: "title size out of limit",
    45004: "description size out of limit",
    45005: "url size out of limit",
    45008: "article size out of limit",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit  must slower  retry next minute",
    45028: "has no masssend quota",
    45065: "clientmsgid exist",
    45066: "same clientmsgid retry too fast",
    45067: "clientmsgid size out of limit",
    45083: "invalid speed",
    45084: "speed missing",
    45106: "this api has been disabled",
    45110: "author size out of limit",
    46003: "menu no exist",
    47001: "data format error",
    48001: "api unauthorized",
    48005: "api forbid to delete material used by auto-reply or menu",
    48006: "forbid to clear quota because of reaching the limit",
    53503: "draft failed publish check",
    53504: "draft must be used on the web back office",
    53505: "draft must be saved manually before publishing",
    53600: "invalid article id",
    76021: "cgi_path not found",
    88001: "msg_data is not exists",
    88008: "comment is not exists",
}


class Refused(Exception):
    """WeChat refuses: a code, the words that go with it, and further keys of the answer when it has any."""

    def __init__(self, code: int, words: str | None = None, **more: int | str) -> None:
        super().__init__(code)
        self.code = code
        self.words = words if words is not None else WORDS.get(code, "system error")
        self.more = more

    def body(self) -> JSON:
        """Write the answer with a fresh request id at the end of the words, as WeChat does."""
        return {"errcode": self.code, "errmsg": f"{self.words} rid: {request_id()}", **self.more}


def request_id() -> str:
    """Make a request id of WeChat's form: three groups of eight hex digits."""
    return "-".join(secrets.token_hex(4) for _ in range(3))
