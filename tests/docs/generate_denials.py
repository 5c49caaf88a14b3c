"""Writes docs/reference/denials.md from the catalogue: `python tests/docs/generate_denials.py`."""

from __future__ import annotations

from pathlib import Path

from gateway.protocol.denials import CATALOGUE, article

TARGET = Path(__file__).parents[2] / "docs" / "reference" / "denials.md"
HEAD = """# Denials

Every way the machine says no. Written by `tests/docs/generate_denials.py` from
[denials.py](../../gateway/protocol/denials.py); change the catalogue, not this page.

On the wire a denial is an RFC 9457 problem: `type` is `urn:qianfa:<code>`, `status` as below, and `code`, `rule`, `article`, `next`, `ask`
(whom, with office and extension) and `missing` (steps) stand beside `title` and `detail`. *Kept* says that the attempt becomes an
`attempt.refused` entry of the log; the others are counted.

"""


def render() -> str:
    """Return the page."""
    lines = [HEAD + "| code | status | rule | kept | what happened | what to do |", "|---|---|---|---|---|---|"]
    for code, words in CATALOGUE.items():
        where = f"{words.rule}<br>{article(words.rule, 'en')}" if article(words.rule, "en") else words.rule
        lines.append(
            f"| `{code}` | {words.status} | {where} | {'yes' if words.logged else 'no'} | {words.zh}<br>{words.en} "
            f"| {words.zh_next}<br>{words.en_next} |",
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(render(), encoding="utf-8")
