"""Exemptions: whom a rule leaves alone, why, and until when. Event time decides.

A rule that holds in a room that is exempt says so, with all it would recommend withheld: the record shows that somebody
looked, and what will follow when the exemption ends. Its ladder waits until then.
"""

import yaml

from worker.audit.room import Room
from worker.policy.document import Document, Missing
from worker.policy.model import WHOM, Exemption, Rule, Whom

EXEMPTIONS_MAX = 1_000
MILLIS_MAX = 4_102_444_800_000


def read_exemptions(doc: Document, node: yaml.Node) -> tuple[Exemption, ...]:
    """A list of `{room|host|operator|shop: id, reason: …, until_ms: …}`."""
    found: list[Exemption] = []
    for item in doc.sequence(node, "exemptions", EXEMPTIONS_MAX):
        try:
            one = _read(doc, item)
        except Missing:
            continue
        if any((one.whom, one.id) == (other.whom, other.id) for other in found):
            doc.note(item, f"{one.whom} {one.id} is exempt twice in this list; keep one entry")
        found.append(one)
    return tuple(found)


def _read(doc: Document, node: yaml.Node) -> Exemption:
    entries = doc.mapping(node, "an exemption", (*WHOM, "reason", "until_ms"))
    named: list[Whom] = [whom for whom in WHOM if whom in entries]
    if len(named) != 1:
        raise doc.note(node, f"an exemption names one of {', '.join(WHOM)}, this one {', '.join(named) or 'none'}")
    (whom,) = named
    return Exemption(
        whom,
        doc.text(entries[whom], whom, 64),
        doc.text(doc.need(entries, "reason", node, "an exemption"), "reason"),
        doc.integer(doc.need(entries, "until_ms", node, "an exemption"), "until_ms", 0, MILLIS_MAX),
        node.start_mark.line + 1,
        node.start_mark.column + 1,
    )


def exemption_of(rule: Rule, room: Room, now_ms: int) -> Exemption | None:
    """The exemption that holds for a room at event time `now_ms`; that which ends last, if several do."""
    exempt = rule.exemptions
    if not exempt:
        return None
    keys = [("room", room.room_id), ("host", room.session.host_id), ("operator", room.session.operator_id)]
    keys += [("shop", shop.id) for shop in room.session.shop_ids]
    found = [one for key in keys if (one := exempt.get(key)) is not None and now_ms < one.until_ms]
    return max(found, key=lambda one: one.until_ms, default=None)
