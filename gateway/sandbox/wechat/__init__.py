"""A loopback WeChat Official Account platform, behaving as documented and as observed."""
