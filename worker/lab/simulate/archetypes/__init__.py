"""Every archetype, by four tables: who, or what, hosts the room. To add one, add a row to its table."""

from worker.lab.simulate.archetype import Archetype
from worker.lab.simulate.archetypes import avatars, offenders, people, recordings

ROWS = (*people.ROWS, *avatars.ROWS, *recordings.ROWS, *offenders.ROWS)
ARCHETYPES: dict[str, Archetype] = {row.name: row for row in sorted(ROWS, key=lambda row: not row.honest)}
"""Every archetype by name, honest ones first."""
