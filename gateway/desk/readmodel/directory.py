"""Names for ids: people, units, channels and offices as pages and answers show them, and who holds what now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.desk.readmodel.channels import ChannelRow
from gateway.desk.readmodel.people import AppointmentRow, PersonRow, UnitRow
from gateway.desk.readmodel.projection import CURSOR_ID, CursorRow, TextRow
from gateway.protocol import offices


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person as pages show them."""

    id: str
    name: str
    title: str
    extension: str
    unit: str
    suspended: bool
    enrolled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The whole directory at one moment, in the reader's language where it has words of its own."""

    people: dict[str, Person]
    units: dict[str, UnitRow]
    channels: dict[str, ChannelRow]
    appointments: tuple[AppointmentRow, ...]
    group: str
    lang: str = "zh"

    def name(self, person: str) -> str:
        """Return a person's name; the id where it was erased, 签发服务 for the enforcer itself."""
        if person == "system":
            return "signing service" if self.lang == "en" else "签发服务"
        known = self.people.get(person)
        return known.name if known is not None else person

    def unit(self, unit: str) -> str:
        """Return a unit's name."""
        known = self.units.get(unit)
        return known.name if known is not None else unit

    def channel(self, channel: str | None) -> str:
        """Return a channel's name."""
        known = self.channels.get(channel or "")
        return known.name if known is not None else channel or ""

    def scope(self, scope: str) -> str:
        """Return the name of what an office is held for."""
        return self.channel(scope) if scope in self.channels else self.unit(scope)

    def office(self, office: str, lang: str) -> str:
        """Return an office in words."""
        return offices.office_words(office, lang)

    def stage(self, stage: str, lang: str) -> str:
        """Return a stage id such as `approve:unit_head:unit_x` in words."""
        kind, _, rest = stage.partition(":")
        office, _, scope = rest.partition(":")
        return offices.stage_words(kind, office, self.scope(scope) if scope and scope != self.group else "", lang)

    def holders(self, office: str, scope: str, at: str) -> list[Person]:
        """Return who holds an office for a scope at an instant."""
        found = (a for a in self.appointments if (a.office, a.scope) == (office, scope) and a.start <= at < a.end)
        return [self.people[a.person] for a in found if a.person in self.people and not self.people[a.person].suspended]

    def stage_people(self, stage: dict[str, object], at: str, author: str) -> list[Person]:
        """Return who could sign a stage of a submission by `author`."""
        offices: list[list[str]] = stage["offices"]  # type: ignore[assignment] # a list of pairs, by format
        people = {p.id: p for office, scope in offices for p in self.holders(office, scope, at)}
        if stage["kind"] == "approve" or stage["apart"]:
            people.pop(author, None)
        return list(people.values())

    def inside(self, unit: str, ancestor: str) -> bool:
        """Return whether `unit` is `ancestor` or lies below it."""
        here: str | None = unit
        while here is not None:
            if here == ancestor:
                return True
            known = self.units.get(here)
            here = known.parent if known is not None else None
        return False


async def load(session: AsyncSession) -> Directory:
    """Return the directory as the read model has it."""
    texts = {row.commitment: row.text for row in await session.scalars(select(TextRow))}
    cursor = await session.get(CursorRow, CURSOR_ID)
    people = await session.scalars(select(PersonRow).order_by(PersonRow.id))
    return Directory(
        people={
            p.id: Person(
                id=p.id, name=texts.get(p.name, p.id), title=texts.get(p.details.get("title", ""), ""),
                extension=texts.get(p.details.get("extension", ""), ""), unit=p.unit, suspended=p.suspended, enrolled=p.enrolled,
            ) for p in people
        },
        units={unit.id: unit for unit in await session.scalars(select(UnitRow))},
        channels={channel.id: channel for channel in await session.scalars(select(ChannelRow).order_by(ChannelRow.id))},
        appointments=tuple(await session.scalars(select(AppointmentRow).order_by(AppointmentRow.start, AppointmentRow.id))),
        group=cursor.group_unit if cursor is not None else "",
    )
