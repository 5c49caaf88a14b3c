"""Real Chromium with a virtual authenticator (WebAuthn Level 3, 11): what people's phones do, without hands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import BrowserContext, Page, async_playwright

EXECUTABLE = "/usr/bin/chromium"


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """Run a headless Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, headless=True)
        try:
            yield browser
        finally:
            await browser.close()


async def authenticator(context: BrowserContext, page: Page) -> Any:
    """Add an internal authenticator with user verification to a page; return the CDP session that holds it."""
    session = await context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    added = await session.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }})
    return session, added["authenticatorId"]
