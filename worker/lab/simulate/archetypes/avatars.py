"""Avatars and other AI presenters: declared and driven, declared in part, undeclared, shared by a farm.

Detectors see undeclared ones only in part. Shares of looks and chances to fail are those of `evaluate.targets`'s study.
"""

from functools import partial
from random import Random

from worker.lab.simulate.archetype import Archetype, Sensors
from worker.lab.simulate.host_models import SECOND_VOICE, HostModel, Machines, leaves, talks
from worker.lab.simulate.hosts import Host, Manner, Script
from worker.lab.simulate.machines import Looks
from worker.lab.simulate.markers import every, frames, label, likeness, once, registration, watermark
from worker.lab.simulate.stage import HOUR_MS, MINUTE_MS, SECOND_MS, Stage
from worker.lab.simulate.text import Speaker
from worker.lab.simulate.viewers import Crowd
from worker.lab.simulate.words import Goods

DRIVEN = Looks(face=2.5, voice=0.5)
PARTLY_SEEN = Looks(face=1.2, voice=1.7)  # 33 % and 52 % of looks above the human 95 % rank
EVASIVE = Looks(face=0.61, voice=0.97)  # 15 % and 25 %
READS = Manner(answers=0.05, thanks=0.0, reports_reply=0.0, breaks_per_hour=0.0, gap_ms=700, gap_sigma=0.2)
LANGUAGE_MODEL = Manner(answers=0.95, thanks=0.95, delay_ms=1_500, delay_sigma=0.3, breaks_per_hour=0.0, gap_sigma=0.2)
UNATTENDED = Sensors(looks=PARTLY_SEEN, fails=0.9, human=False)
UNLABELLED = ("WX-AVATAR-01", "CN-LABEL-01")
AVATARS_ON_STAGE = 6
KUAISHOU_AVATARS = 2_200  # avatars that the platform's own system runs around the clock
TALLY_MS = 10 * SECOND_MS
FOUNDER_JOINED = 10_000_000 * TALLY_MS // (30 * MINUTE_MS)
FOUNDER_ORDERS = 100_000 * TALLY_MS // (40 * MINUTE_MS)


def _luck(stage: Stage) -> float:
    """How often this room's language model fails a challenge: rooms differ."""
    return stage.rng("luck").uniform(0.5, 0.9)


def _take_over(stage: Stage, mind: Speaker) -> None:
    """A language model's avatar takes a person's place."""
    Host(stage, mind, LANGUAGE_MODEL, talk=mind.talk, first_segment=SECOND_VOICE)


def _voice(stage: Stage) -> Speaker:
    """The voice, with its goods and its script, that a farm's rooms share; a room's own where none is shared."""
    return Speaker(Random(f"voice/{stage.plan.setting.voice or stage.plan.room_id}"))


def _reads_shared_script(manner: Manner) -> HostModel:
    """An avatar that reads its voice's script, in an order of its own."""

    def enter(stage: Stage, goods: Goods, _: Machines) -> None:
        Host(stage, Speaker(stage.rng("mind"), goods), manner, talk=Script(stage.rng("order"), _voice(stage)))

    return enter


_unattended = partial(Archetype, platform="wechat_channels", host=talks(READS), sensors=UNATTENDED, expects=UNLABELLED)
_answering = partial(Archetype, platform="wechat_channels", host=talks(LANGUAGE_MODEL), expects=UNLABELLED)
_kuaishou = partial(Archetype, platform="kuaishou", sensors=None)

ROWS = (
    # Labelled from the start; its verified user drives it live and answers.
    Archetype(
        name="avatar_driven",
        title="avatar: labelled, registered, driven",
        platform="douyin",
        honest=True,
        declared=True,
        sensors=Sensors(looks=DRIVEN, avatar_height_ratio=0.62),
        markers=(
            label(),
            registration(registered=True, verified=True, consent=True),
            watermark(10 * MINUTE_MS),
        ),
        room_title="数字人直播间",
    ),
    # With consent, before millions: 10 M viewers in 30 min, 100,000 orders in 40 min.
    Archetype(
        name="founder_avatar",
        title="avatar: a founder's, declared",
        platform="jd",
        honest=True,
        declared=True,
        sensors=Sensors(looks=DRIVEN),
        markers=(
            label(),
            watermark(10 * MINUTE_MS, first_ms=2 * MINUTE_MS),
            likeness("founder", "granted", 10 * MINUTE_MS, first_ms=MINUTE_MS),
            every(
                TALLY_MS,
                "viewer.tally",
                span_ms=TALLY_MS,
                joined=FOUNDER_JOINED,
                orders=FOUNDER_ORDERS,
                liked=FOUNDER_JOINED,
            ),
        ),
        viewers=6_000_000,
        room_title="采销东哥数字人直播间",
    ),
    # Declared, with consent, and the person whom they copy answers viewers.
    Archetype(
        name="six_avatars",
        title="six avatars beside their person",
        platform="taobao",
        honest=True,
        markers=(
            label(),
            watermark(10 * MINUTE_MS, first_ms=MINUTE_MS),
            *(
                likeness("host-of-the-room", "granted", 15 * MINUTE_MS, first_ms=2 * MINUTE_MS + i * 10 * SECOND_MS)
                for i in range(AVATARS_ON_STAGE)
            ),
            once(
                "fleet.matched",
                at_ms=3 * MINUTE_MS,
                kind="face",
                identity="host-of-the-room",
                rooms=[],
                size=AVATARS_ON_STAGE,
                permitted=True,
            ),
        ),
        viewers=40_000,
        room_title="本人和六个数字人同台",
    ),
    _unattended(
        name="avatar_watermark",
        title="avatar: unlabelled, watermarked",
        late_markers=(watermark(5 * MINUTE_MS, first_ms=3 * MINUTE_MS),),
    ),
    _unattended(
        name="avatar_provenance",
        title="avatar: unlabelled, its manifest says so",
        late_markers=(
            every(
                5 * MINUTE_MS,
                "provenance.read",
                first_ms=3 * MINUTE_MS,
                source="c2pa",
                trusted=True,
                tampered=False,
                digital_source_type="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
                status=["claimSignature.validated"],
            ),
        ),
    ),
    # Labelled, but never registered, and no one drives it.
    _unattended(
        name="avatar_unregistered",
        title="avatar: unregistered, undriven",
        platform="douyin",
        expects=("DY-REG-01", "DY-DRIVE-01"),
        markers=(label(), registration(registered=False, verified=False, consent=False)),
    ),
    # Labelled and registered, its user verified, and no one drives it: registration is half of the rule.
    _unattended(
        name="avatar_undriven",
        title="avatar: registered, undriven",
        platform="douyin",
        expects=("DY-DRIVE-01",),
        markers=(label(), registration(registered=True, verified=True, consent=True)),
    ),
    # Made for small sellers: few viewers, a script, GB 45438 metadata that says what it is.
    _unattended(
        name="plugin_avatar",
        title="avatar: made with a plug-in",
        sensors=Sensors(looks=None, fails=None),
        crowd=Crowd(comments=2, branching=0.3, gifts=0.05, orders=0.1, likes=1),
        late_markers=(
            every(
                10 * MINUTE_MS,
                "provenance.read",
                first_ms=2 * MINUTE_MS,
                source="gb45438",
                trusted=True,
                tampered=False,
                aigc={"Label": "1", "ContentProducer": "plugin", "ProduceID": "0"},
            ),
        ),
        viewers=30,
    ),
    # A celebrity's face and voice over a seller's: everything that rules ask of an avatar, but no consent.
    Archetype(
        name="deepfake",
        title="celebrity's face without consent",
        platform="douyin",
        expects=("CN-LIKE-01",),
        markers=(
            label(),
            registration(registered=True, verified=True, consent=False),
            watermark(5 * MINUTE_MS, first_ms=MINUTE_MS),
            likeness("celebrity", "none", 3 * MINUTE_MS, first_ms=2 * MINUTE_MS),
        ),
    ),
    _kuaishou(
        name="avatar_compliant",
        title="avatar: keeps every rule, no boost",
        expects=("KS-TRAFFIC-01",),
        markers=(
            label(),
            watermark(10 * MINUTE_MS, first_ms=MINUTE_MS),
            frames(person_present=True, avatar_height_ratio=0.62, embedded_video_ratio=0.3),
        ),
        late_markers=(
            once(
                "fleet.matched",
                at_ms=4 * MINUTE_MS,
                kind="operator",
                identity="platform-avatars",
                rooms=[],
                size=KUAISHOU_AVATARS,
                permitted=True,
            ),
        ),
    ),
    _kuaishou(
        name="avatar_small",
        title="avatar: too small in the frame",
        expects=("KS-FRAME-01", "KS-TRAFFIC-01"),
        markers=(
            label(),
            watermark(10 * MINUTE_MS, first_ms=MINUTE_MS),
            frames(person_present=True, avatar_height_ratio=0.38, embedded_video_ratio=0.45),
        ),
    ),
    # Answers nearly everything within seconds, and fails challenges.
    _answering(
        name="llm_avatar",
        title="avatar: language model answers",
        sensors=Sensors(looks=Looks(face=2.2, voice=2.5), fails=0.75, human=False),
    ),
    _unattended(name="scripted_avatar", title="avatar: reads a script"),
    _answering(
        name="subtle_llm_avatar",
        title="avatar: language model, hard to see",
        sensors=Sensors(looks=PARTLY_SEEN, fails=_luck, human=False),
    ),
    # Made to slip past detectors.
    _answering(
        name="evasive_llm_avatar",
        title="avatar: language model, evades detectors",
        sensors=Sensors(looks=EVASIVE, fails=0.6, human=False),
        expects=(),
    ),
    # A person waits beside it to answer challenges.
    _answering(
        name="standby",
        title="avatar: a person stands by",
        sensors=Sensors(looks=PARTLY_SEEN, fails=0.10, human=False),
    ),
    Archetype(
        name="human_then_avatar",
        title="a person, then a language model's avatar",
        platform="wechat_channels",
        expects=UNLABELLED,
        host=leaves(_take_over, looks=PARTLY_SEEN, fails=_luck),
        switch_ms=3 * HOUR_MS,
    ),
    # The voice, its goods and its script are shared with other rooms of the farm.
    _unattended(
        name="farm_avatar",
        title="avatar: one of a farm",
        host=_reads_shared_script(READS),
        goods=lambda stage: _voice(stage).goods,
    ),
)
