"""Episodes as a room keeps them: the open ones, and those about which people may still decide."""

from msgspec import Struct

from worker.audit.events import Shop
from worker.audit.reviews import Word

EPISODES_MAX = 64  # of a room, one a rule
PAST_MAX = 64  # former ones of a room
PAST_PER_RULE = 8
NAMED_MAX = 8
SHOPS_KEPT = 8


class Broadcast(Struct, frozen=True, gc=False, array_like=True):
    """The session that an episode is of, as it was when it opened: what records name of it once another one is on."""

    platform: str = "other"
    region: str = ""
    host_id: str = ""
    operator_id: str = ""
    shop_ids: tuple[Shop, ...] = ()  # the first `SHOPS_KEPT`
    first_offset: int = -1


class Episode(Struct, gc=False, array_like=True):
    """One uninterrupted time for which a rule holds. Its life is in `policy.episodes`.

    Attributes:
        stepped_ms: since when the rule has held at this step without a gap; once cleared, when it was.
        violation_id: of the newest record about this episode.
        certainty: the highest one that was decided upon (`audit.facts.Certainty`).
        parked: ids of the record that a cap held back at this step and that no person has released; () when none did.
        exempt: the room was exempt when it opened; it ends with the exemption.
        began: step at which it opened: what people upheld before starts it further up.
        word: the review that holds of it; None when no person has decided.
        freed: a person has upheld the parked record, so it is released once the episode's word is `upheld`.
        named: ids of the newest records by which people's decisions were said (`NAMED_MAX`).
        was_cleared: it had cleared before a person withdrew it.
        broadcast: its session.
        counted_ms: when it counts in the history, if an earlier release said so; 0: from when it opened.
        session: number of its session.
        lasted_ms: when its session left the air, for how long the rule had held at this step; -1: it goes on, or has
            ended for good.
        returns: how often it was opened again because its session came back.
    """

    rule: str
    state: str
    opened_ms: int
    step: int
    stepped_ms: int
    false_since_ms: int = 0
    violation_id: str = ""
    policy_version: int = 0
    mode: str = "live"
    session_id: str = ""
    certainty: int = 0
    parked: tuple[str, ...] = ()
    exempt: bool = False
    began: int = 0
    word: Word | None = None
    freed: bool = False
    named: tuple[str, ...] = ()
    was_cleared: bool = False
    broadcast: Broadcast = Broadcast()
    counted_ms: int = 0
    session: int = 0
    lasted_ms: int = -1
    returns: int = 0

    def counts_from_ms(self) -> int:
        """The time under which the history has it."""
        return self.counted_ms or self.opened_ms
