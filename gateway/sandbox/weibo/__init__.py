"""A loopback Weibo open platform, behaving as documented."""
