"""What the platform's registry says of the host. Until it has spoken, nothing is known and nothing is missing."""

from worker.audit import history
from worker.audit.events import RegistrationState
from worker.audit.facts import FACT_BIT, Registration
from worker.audit.room import Room


def apply(room: Room, event: RegistrationState, offset: int) -> None:
    """Take over the registry's state, and what it knows of the host's past."""
    room.facts.registration = Registration(
        True, event.avatar_registered, event.driver_verified, event.likeness_consent, event.at_ms
    )
    room.changed |= FACT_BIT["registration"]
    if event.upheld is not None:
        upheld = [(one.rule, one.at_ms) for one in event.upheld]
        room.facts.history = history.of_host(room.facts.history, upheld, event.at_ms)
        room.changed |= FACT_BIT["history"]
