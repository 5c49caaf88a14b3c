"""Connectors: one folder a platform, all behind `base.Connector`; only `enforcer/app.py` names a concrete one."""
