"""Content checks: pure functions from a draft to findings, one file a check."""

from __future__ import annotations

from gateway.checks.finding import GRADES, Draft, Finding, Fix, Grade, Place
from gateway.checks.registry import CHECKS, VERSION, run_checks

__all__ = ["CHECKS", "GRADES", "VERSION", "Draft", "Finding", "Fix", "Grade", "Place", "run_checks"]
