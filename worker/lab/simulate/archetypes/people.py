"""Honest people: each sells in person, each looks guilty to a detection that is too simple. No rule may open."""

from functools import partial

from worker.lab.simulate import words
from worker.lab.simulate.archetype import Archetype, Sensors
from worker.lab.simulate.host_models import Machines, repeats_script, signs, talks
from worker.lab.simulate.hosts import Manner
from worker.lab.simulate.machines import Looks
from worker.lab.simulate.stage import MINUTE_MS, Stage
from worker.lab.simulate.tapes import Film
from worker.lab.simulate.viewers import Crowd
from worker.lab.simulate.words import Goods

BOUGHT = ("怎么拍呀", "已经下单了", "还有库存吗", "质量真不错")

_honest = partial(Archetype, honest=True)


def _shows_film(stage: Stage, goods: Goods, machines: Machines) -> None:
    """A talking host, and the film."""
    Film(stage, talks()(stage, goods, machines))


ROWS = (
    _honest(name="responsive", title="honest: answers viewers", platform="wechat_channels"),
    # Silent for minutes, and misses some of the little that is asked.
    _honest(
        name="quiet",
        title="honest: few viewers, long silences",
        platform="wechat_channels",
        host=talks(
            Manner(answers=0.6, delay_ms=12_000, delay_sigma=1.0, gap_ms=9_000, gap_sigma=1.0, breaks_per_hour=0.8)
        ),
        crowd=Crowd(comments=0.8, branching=0.3, gifts=0.02, orders=0.05, likes=0.5),
        viewers=6,
    ),
    # Most comments come tallied; hardly one in fifty is answered.
    _honest(
        name="overloaded",
        title="honest: 10,000 comments a minute",
        platform="douyin",
        host=talks(Manner(answers=0.3, thanks=0.3, delay_ms=5_000)),
        crowd=Crowd(comments=70, branching=0.8, gifts=6, orders=10, likes=12, tallied_comments=10_000),
        viewers=400_000,
    ),
    _honest(
        name="scripted_human",
        title="honest: repeats a sales script",
        platform="wechat_channels",
        host=repeats_script(Manner(answers=0.6, breaks_per_hour=0.3)),
    ),
    # A deaf host: no speech at all; answers are signed, and the challenges are ones that hands can do.
    _honest(
        name="sign_language",
        title="honest: signs and never speaks",
        platform="douyin",
        host=signs(Manner(medium="sign", delay_ms=8_000)),
        sensors=Sensors(looks=Looks(has_voice=False), speaks=False),
        crowd=Crowd(comments=8, branching=0.4),
        room_title="手语直播间",
    ),
    # The room runs on, with no one in the frame.
    _honest(
        name="on_break",
        title="honest: long declared breaks",
        platform="wechat_channels",
        host=talks(Manner(breaks_per_hour=1.5, break_ms=(15 * MINUTE_MS, 40 * MINUTE_MS))),
    ),
    # Bots copy a few questions, which the host has long stopped answering.
    _honest(
        name="bot_viewers",
        title="honest: before bought viewers",
        platform="douyin",
        host=talks(Manner(answers=0.8)),
        crowd=Crowd(comments=6, branching=0.3, copied=BOUGHT, bots=40),
        viewers=900,
    ),
    # Three minutes that repeat to the word.
    _honest(
        name="film",
        title="honest: a film every half an hour",
        platform="wechat_channels",
        host=_shows_film,
    ),
    _honest(
        name="software_warning",
        title="honest: warns against such software",
        platform="wechat_channels",
        host=talks(special=words.SOFTWARE_WARNINGS, special_share=0.08),
    ),
)
