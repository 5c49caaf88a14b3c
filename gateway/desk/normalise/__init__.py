"""Hostile input to normal form, in the process that holds no keys."""

from __future__ import annotations

from gateway.desk.normalise.html import normalise_html
from gateway.desk.normalise.pictures import BODY_BYTES, NormalPicture, PictureRefused, normalise_picture
from gateway.desk.normalise.report import Normalised, NormaliseRefused, PictureNeeded, Removed

__all__ = [
    "BODY_BYTES",
    "NormalPicture",
    "NormaliseRefused",
    "Normalised",
    "PictureNeeded",
    "PictureRefused",
    "Removed",
    "normalise_html",
    "normalise_picture",
]
