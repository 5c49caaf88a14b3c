"""Weibo's error answers: codes, words and HTTP statuses. Source: the open platform's error code pages."""

from __future__ import annotations

from gateway.sandbox.wire import JSON

WORDS: dict[int, str] = {
    10001: "System error",
    10004: "IP limit",
    10008: "Param error, see doc for more info",
    10014: "Insufficient app permissions",
    10016: "Miss required parameter ({}) , see doc for more info",
    10017: "Parameter ({})'s value invalid, see doc for more info",
    10018: "Request body length over limit",
    10020: "Request api not found",
    10021: "HTTP method is not suported for this request",
    10022: "IP requests out of rate limit",
    10023: "User requests out of rate limit",
    10024: "User requests for ({}) out of rate limit",
    20003: "User does not exists",
    20005: "Unsupported image type, only suport JPG, GIF, PNG",
    20006: "Image size too large",
    20007: "Does multipart has image",
    20008: "Content is null",
    20012: "Text too long, please input text less than 140 characters",
    20016: "Out of limit",
    20017: "Repeat content",
    20019: "Repeat conetnt",
    20021: "Content is illegal",
    20032: "Update success, while server slow now, please wait 1-2 minutes",
    20101: "Target weibo does not exist",
    20102: "Not your own weibo",
    20109: "Weibo id is null",
    21301: "Auth faild",
    21314: "Token used",
    21315: "Token expired",
    21316: "Token revoked",
    21317: "Token rejected",
    21327: "expired_token",
    21332: "invalid_access_token",
    21335: "Request uid's value must be the current user uid",
}
OAUTH_WORDS: dict[int, tuple[str, str]] = {
    21322: ("redirect_uri_mismatch", "重定向地址不匹配"),
    21323: ("invalid_request", "请求不合法"),
    21324: ("invalid_client", "client_id或client_secret参数无效"),
    21325: ("invalid_grant", "提供的Access Grant是无效的、过期的或已撤销的"),
    21328: ("unsupported_grant_type", "不支持的 GrantType"),
    21329: ("unsupported_response_type", "不支持的 ResponseType."),
}
_FORBIDDEN = frozenset({10004, 10014, 10022, 10023, 10024, 20102, 21335})


class Refused(Exception):
    """Weibo refuses: a code and the value that stands in its words."""

    def __init__(self, code: int, about: str = "", *, words: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.words = words if words is not None else WORDS.get(code, "System error").format(about)

    @property
    def status(self) -> int:
        """The HTTP status: 403 for limits and missing rights, else 400."""
        return 403 if self.code in _FORBIDDEN else 400

    def body(self, path: str) -> JSON:
        """Write the answer in the shape of the API, or of OAuth for OAuth codes."""
        if self.code in OAUTH_WORDS:
            name, description = OAUTH_WORDS[self.code]
            return {"error": name, "error_code": self.code, "error_description": description}
        return {"request": path, "error_code": self.code, "error": self.words}
