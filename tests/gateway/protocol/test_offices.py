"""Words and offers that both faces share name exactly what there is."""

from __future__ import annotations

import pytest

from gateway.connectors.base import Connector, Operation, offered
from gateway.connectors.wechat import WeChatConnector
from gateway.connectors.weibo import WeiboConnector
from gateway.connectors.wordpress import WordPressConnector
from gateway.machine.policy import DAILY_LIMITS, OPERATIONS
from gateway.machine.state import Office
from gateway.protocol.offices import OFFICE_WORDS, office_words, stage_words
from gateway.protocol.platforms import PLATFORMS, offers


def test_every_office_has_words() -> None:
    """Each office of the machine stands there in both languages; another is said as it is."""
    assert set(OFFICE_WORDS) == {office.value for office in Office}
    assert office_words("leader", "zh") == "公司主管领导"
    assert office_words("leader", "en") == "Responsible leader"
    assert office_words("poet", "zh") == "poet"


@pytest.mark.parametrize(("lang", "where", "expected"), [
    ("zh", "禾汀灌溉", "禾汀灌溉单位负责人同意"), ("zh", "", "单位负责人同意"), ("en", "禾汀灌溉", "Unit head of 禾汀灌溉: approve"), ("en", "", "Unit head: approve"),
])
def test_a_step_is_said_as_the_language_says_it(lang: str, where: str, expected: str) -> None:
    """A step names what is done, by which office, and of what."""
    assert stage_words("approve", "unit_head", where, lang) == expected


@pytest.mark.parametrize("connector", [WeChatConnector(), WeiboConnector(), WordPressConnector()], ids=lambda one: one.platform)
def test_a_connector_offers_what_the_table_says(connector: Connector) -> None:
    """Pages, extension and connector say the same of a platform; nobody offers what no rule knows."""
    known = offers(connector.platform)
    assert connector.operations == offered(connector.platform) == {Operation(name) for name in ("publish", "edit", "withdraw") if known[name]}
    assert set(connector.operations) <= {Operation(name) for name in OPERATIONS}


def test_nothing_is_offered_on_an_unknown_platform() -> None:
    """A platform without a line offers nothing; every line has a daily limit."""
    assert offers("fax") == {}
    assert set(PLATFORMS) == set(DAILY_LIMITS)
