"""Provenance metadata: C2PA manifests, IPTC digital source types, GB 45438 `AIGC` objects.

IPTC (cv.iptc.org/newscodes/digitalsourcetype): `trainedAlgorithmicMedia` and `compositeWithTrainedAlgorithmicMedia`
are AI; `compositeSynthetic` possibly; `virtualRecording` alone is not evidence. GB 45438-2025 `Label`: "1" is,
"2" possibly, "3", and whatever else stands there, suspected generated; read leniently, since files in the wild
deviate, and as it stands: whether it is signed is not asked. Of C2PA and IPTC an untrusted signature is a trace,
SUSPECTED, not proof. A mismatch is tampering: CONFIRMED under a trusted signature, else POSSIBLE.

Abstains: no metadata, no label in it, another source type. Evasion: encoding a stream again drops metadata, and its
absence says nothing; then watermarks, detectors and challenges are left. Who changes what is signed breaks its hash,
which is tampering. Cost: 2 µs a read, 4–7 when it is news (it is quoted).
"""

from worker.audit.characters import SPACES, ascii_lower
from worker.audit.events import ProvenanceRead
from worker.audit.excerpts import quote
from worker.audit.facts import FACT_BIT, Certainty, Tamper
from worker.audit.markers import presenter
from worker.audit.registers import claim_of, is_surest, since_ms
from worker.audit.room import Room

AI_SOURCES = frozenset({"trainedalgorithmicmedia", "compositewithtrainedalgorithmicmedia"})
POSSIBLE_SOURCES = frozenset({"compositesynthetic"})
GB_LABELS = {"1": Certainty.CONFIRMED, "2": Certainty.POSSIBLE, "3": Certainty.SUSPECTED}


def apply(room: Room, event: ProvenanceRead, offset: int, key_ms: int) -> None:
    """Mark the presenter and tampering."""
    if event.tampered:
        _tamper(room, event, offset)
    certainty = _gb45438(event) if event.source == "gb45438" else _digital_source(event)
    if certainty:
        if certainty > room.session.marked.certainty:
            what = "GB 45438 AIGC label" if event.source == "gb45438" else str(event.digital_source_type)[-80:]
            quote(room, event.at_ms, "provenance", f"{event.source}: {what}", offset)
        presenter.mark(room, certainty, event.source, event)


def _digital_source(event: ProvenanceRead) -> Certainty:
    kind = ascii_lower((event.digital_source_type or "").rstrip("/").rsplit("/", 1)[-1])
    if kind in AI_SOURCES:
        return Certainty.CONFIRMED if event.trusted and not event.tampered else Certainty.SUSPECTED
    if kind in POSSIBLE_SOURCES:
        return Certainty.POSSIBLE if event.trusted and not event.tampered else Certainty.SUSPECTED
    return Certainty.NONE


def _gb45438(event: ProvenanceRead) -> Certainty:
    for key, value in (event.aigc or {}).items():
        if ascii_lower(key) == "label":
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                return Certainty.NONE  # null, a list, an object: nothing was said
            label = str(value).strip(SPACES)
            return GB_LABELS.get(label, Certainty.SUSPECTED if label else Certainty.NONE)
    return Certainty.NONE


def _tamper(room: Room, event: ProvenanceRead, offset: int) -> None:
    certainty = Certainty.CONFIRMED if event.trusted else Certainty.POSSIBLE
    old = room.session.facts.tamper
    if is_surest(room, "tamper", claim_of(event), certainty, old.certainty):
        room.session.facts.tamper = Tamper(certainty, event.source, since_ms(room, certainty, old.since_ms))
        room.changed |= FACT_BIT["tamper"]
    if certainty > old.certainty:
        quote(room, event.at_ms, "tamper", f"{event.source}: {', '.join(event.status[:4]) or 'tampered'}", offset)
