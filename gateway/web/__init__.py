"""What both faces of people share: style sheet, the vendored htmx, and the words' loader. Knows neither desk nor enforcer."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
"""Holds `qianfa.css` and `htmx.min.js`; each face serves these files under its own static path, and nothing else from here."""
