"""What the platform's registry says of the host. Until it has spoken, nothing is known and nothing is missing.

Reads `registration.state`, which the identity agent writes from `live.host.registry`; there is nothing to compute.

Abstains: before the first one; one about another host; one that only passes on what people upheld (`known` is false).
Evasion: the account of somebody who is registered, or a verified driver who then leaves; nothing here compares the
registered avatar with the one shown. Challenges, NONINT and `driven` still look for the driver, and fleets for one
account in many rooms. Cost: 0.4 µs a state, 4 with three upheld violations.
"""

from worker.audit import history
from worker.audit.announce import ensure_ties, mark_of, speak_soon
from worker.audit.events import RegistrationState
from worker.audit.facts import FACT_BIT, Registration
from worker.audit.registers import is_newest
from worker.audit.room import Room


def apply(room: Room, event: RegistrationState, offset: int, key_ms: int) -> None:
    """Take over the registry's state, and what it knows of the host's past."""
    if event.host_id != room.session.host_id and room.session.host_id:
        return  # of the host that the room had before
    if not ensure_ties(room).answered:
        ensure_ties(room).answered = True
        room.session.identities_due_ms = 0
    # Of one offset: an agent that only passes on what people upheld has no registration to take away.
    if is_newest(room, "registration", event, key_ms, event.registry_offset, int(event.known)):
        _register(room, event)
    if event.upheld is not None and is_newest(room, "upheld", event, key_ms):
        ensure_ties(room).upheld_mark = mark_of(event.upheld)
        upheld = [(one.rule, one.at_ms) for one in event.upheld]
        room.history = history.of_host(room.history, upheld, event.at_ms)
        room.changed |= FACT_BIT["history"]


def _register(room: Room, event: RegistrationState) -> None:
    ties = ensure_ties(room)
    allows = (event.brand_id or "", event.permitted_rooms or 0)
    if allows != (ties.brand_id, ties.permitted_rooms):
        ties.brand_id, ties.permitted_rooms = allows
        speak_soon(room)  # what the room may share depends on it
    ties.registry_offset = event.registry_offset if event.known else -1
    room.session.facts.registration = Registration(
        event.known, event.avatar_registered, event.driver_verified, event.likeness_consent, room.appended_ms
    )
    room.changed |= FACT_BIT["registration"]
