"""Qianfa (签发): the gateway that sends nothing a verified approval does not cover."""

__version__ = "0.1.0"
