"""The sample company: fictional, with invented places and extensions only; the story's two articles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GROUP_NAME: Final = "禾汀集团有限公司"
FOUNDERS: Final = ("何立群", "许文澜")


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of the company; `parent` is a key of another, or empty for the group."""

    key: str
    name: str
    parent: str
    kind: str


@dataclass(frozen=True, slots=True)
class Someone:
    """A person: key, name, unit, title, extension, and the offices held as (office, scope key)."""

    key: str
    name: str
    unit: str
    title: str
    extension: str
    offices: tuple[tuple[str, str], ...]
    can: str
    can_en: str


@dataclass(frozen=True, slots=True)
class SampleChannel:
    """A channel: key, platform, name, owning unit, level, filing state."""

    key: str
    platform: str
    name: str
    unit: str
    level: str
    filing: str
    custodians: tuple[str, ...]


UNITS: Final = (
    Unit("brand", "品牌公关部", "", "department"),
    Unit("office", "办公室", "", "department"),
    Unit("audit", "审计部", "", "department"),
    Unit("it", "信息中心", "", "department"),
    Unit("union", "工会", "", "department"),
    Unit("irrigation", "禾汀灌溉科技有限公司", "", "subsidiary"),
    Unit("irrigation_general", "禾汀灌溉·综合部", "irrigation", "department"),
    Unit("irrigation_works", "禾汀灌溉·工程部", "irrigation", "department"),
    Unit("travel", "禾汀乡野文旅有限公司", "", "subsidiary"),
    Unit("travel_market", "禾汀乡野·市场部", "travel", "department"),
    Unit("travel_ops", "禾汀乡野·运营部", "travel", "department"),
)

PEOPLE: Final = (
    Someone("he", "何立群", "it", "信息中心工程师", "6680", (("sysadmin", ""),), "管理系统、开锁、备份", "Runs the system"),
    Someone("xu", "许文澜", "brand", "品牌公关部部长", "6605", (("brand_pr_head", ""), ("brand_pr", ""), ("unit_head", "brand")),
            "放行、停发、应急撤稿", "Releases, stops, withdraws in an emergency"),
    Someone("fang", "方小满", "brand", "品牌公关部内容主管", "6606", (("brand_pr", ""), ("author", "brand")), "放行集团渠道的稿件", "Releases company channels"),
    Someone("shen", "沈知远", "", "集团副总裁（分管品牌、财务、人力）", "6601", (("leader", ""),), "审批重要敏感信息", "Approves what is sensitive"),
    Someone("gu", "顾长庚", "irrigation", "禾汀灌溉总经理", "6631", (("unit_head", "irrigation"),), "审批本单位的稿件", "Approves the unit's texts"),
    Someone("lu", "陆晓棠", "irrigation_general", "禾汀灌溉综合部新媒体专员", "6633", (("author", "irrigation"), ("operator", "ch:wechat_unit")),
            "写稿、报审、运营「禾汀灌溉」", "Writes, submits, runs the unit's account"),
    Someone("meng", "孟一鸣", "travel", "禾汀乡野总经理", "6651", (("unit_head", "travel"),), "审批本单位的稿件", "Approves the unit's texts"),
    Someone("lin", "林岚", "travel_market", "禾汀乡野市场部主管", "6653", (("author", "travel"), ("operator", "ch:weibo_unit")),
            "写稿、报审、运营「@禾汀乡野」", "Writes, submits, runs the unit's account"),
    Someone("shao", "邵敬之", "audit", "审计部审计专员", "6671", (("auditor", ""),), "查存证、导出证据包", "Looks things up, exports evidence"),
)

CHANNELS: Final = (
    SampleChannel("wechat_group", "wechat", "禾汀集团", "", "company", "filed", ("fang", "xu")),
    SampleChannel("weibo_group", "weibo", "@禾汀集团", "", "company", "filed", ("fang", "xu")),
    SampleChannel("site", "wordpress", "集团官网", "", "company", "filed", ("fang", "xu")),
    SampleChannel("wechat_unit", "wechat", "禾汀灌溉", "irrigation", "own", "filed", ("lu", "xu")),
    SampleChannel("weibo_unit", "weibo", "@禾汀乡野", "travel", "own", "changing", ("lin", "xu")),
)


@dataclass(frozen=True, slots=True)
class SampleArticle:
    """An article: title, summary, paragraphs, the picture's caption, and a link where one is needed."""

    title: str
    summary: str
    paragraphs: tuple[str, ...]
    picture: str
    link: str = ""

    def body(self, *, weekday: str = "") -> str:
        """Return the body in normal form; `weekday` replaces the one that is wrong in the first revision."""
        text = "".join(f"<p>{paragraph}</p>" for paragraph in self.paragraphs)
        if weekday:
            text = text.replace("星期四", weekday)
        return text + (f'<p><a href="{self.link}">{self.link}</a></p>' if self.link else "")


D1: Final = SampleArticle(
    "秋收之后，我们把水管修到了地头", "云岗村更换老旧支管，轮灌由三天缩短到一天半",
    ("入冬前，禾汀灌溉工程部在云岗村更换了4.2公里老旧支管。", "村里的轮灌时间由三天缩短到一天半。", "工程部提醒，低温期请勿自行拆卸阀门。"),
    "云岗村的新支管",
)

D2: Final = SampleArticle(
    "禾汀集团2026年员工技能比武落幕", "11个单位146名选手参加6个项目",
    ("11月19日至20日，来自11个单位的146名选手参加滴灌管网装配、泵站巡检等6个项目。",
     "颁奖仪式将于11月27日（星期四）在集团总部举行。"),
    "比武现场", "https://news.heting.example/2026/skills",
)
