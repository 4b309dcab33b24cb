"""The rules that ship, driven by events through the audit core: who is caught, and above all who is not."""

from pathlib import Path
from typing import Any, get_args

import pytest

from worker.audit import events as e
from worker.audit.apply import apply
from worker.audit.room import Room
from worker.policy.actions import ACTIONS
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.policy.model import Decision

FILES = {path.name: path.read_text() for path in Path("worker/policies").glob("*.yaml")}
BOOK = load_policies(FILES)
T0 = 1_748_000_000_000
AFTER_ARTICLE_50 = 1_786_954_800_000
SECOND, MINUTE = 1_000, 60_000
PLATFORMS = get_args(e.Platform)


class Live:
    """A room, and everything decided about it. Heartbeats keep event time moving."""

    def __init__(
        self, platform: str, *, region: str = "CN", shop: str = "", selling: bool = True, since_ms: int = T0
    ) -> None:
        self.room = Room(f"{platform}:1")
        self.judge = Judge(BOOK)
        self.platform, self.region, self.selling = platform, region, selling
        self.shops = [e.Shop(shop, "1")] if shop else []
        self.found: list[Decision] = []
        self.now_ms = self.since_ms = since_ms
        self.n = 0
        self.beat()

    def send(self, event: type, /, **fields: object) -> None:
        self.n += 1
        envelope = {"id": f"e{self.n}", "room_id": self.room.room_id, "at_ms": self.now_ms, "session_id": "s1"}
        apply(self.room, event(**envelope, **fields), self.n, self.now_ms)
        self.found += self.judge.evaluate(self.room, self.room.max_at_ms)

    def beat(self, *, paused: bool = False) -> None:
        self.send(
            e.RoomHeartbeat, platform=self.platform, region=self.region, host_id="h1", started_at_ms=self.since_ms,
            selling=self.selling, shop_ids=self.shops, viewers=50, paused=paused,
        )  # fmt: skip

    def run(self, minutes: float, *, paused: bool = False, **frame: object) -> None:
        until_ms = self.now_ms + int(minutes * MINUTE)
        while self.now_ms < until_ms:
            self.now_ms += 20 * SECOND
            self.beat(paused=paused)
            if frame:
                self.send(e.FrameMeasured, **frame)

    def rules(self) -> set[str]:
        return {d.rule.id for d in self.found}

    def live_rules(self) -> set[str]:
        return {d.rule.id for d in self.found if d.mode == "live"}

    # --- things that happen ---

    def marker(self, label: str = "1", *, tampered: bool = False) -> None:
        self.send(e.ProvenanceRead, source="gb45438", trusted=True, tampered=tampered, aigc={"Label": label})

    def label(self, visible: bool = True, kind: str = "digital_human", by: str = "host") -> None:
        self.send(e.LabelState, kind=kind, visible=visible, by=by)

    def registered(self, avatar: bool = True, driver: bool = True) -> None:
        self.send(
            e.RegistrationState, host_id="h1", avatar_registered=avatar, driver_verified=driver,
            likeness_consent=True, registry_offset=1,
        )  # fmt: skip

    def say(self, text: str) -> None:
        self.send(e.HostSpeech, segment_id=f"g{self.n}", start_ms=self.now_ms, end_ms=self.now_ms, text=text)

    def pass_challenge(self) -> None:
        self.send(e.ChallengeIssued, challenge_id="c1", kind="wave", deadline_ms=self.now_ms + MINUTE)
        self.send(e.ChallengeResult, challenge_id="c1", outcome="passed")

    def reply(self) -> None:
        self.send(e.HostReply, medium="voice")


@pytest.mark.parametrize("shop", ["channels_shop", "wechat_shop", ""])
def test_an_avatar_on_wechat_is_demoted_whatever_shop_it_sells_for(shop: str) -> None:
    live = Live("wechat_channels", shop=shop)
    live.marker()
    assert live.rules() == {"WX-AVATAR-01"}
    assert [a.action for a in live.found[0].actions] == ["reduce_live_recommendation"]
    live.run(70)
    steps = [(d.kind, d.step) for d in live.found if d.rule.id == "WX-AVATAR-01"]
    assert steps == [("opened", 0), ("escalated", 1), ("escalated", 2)]


def test_an_avatar_that_sells_nothing_on_wechat_is_left_alone_by_the_selling_rules() -> None:
    live = Live("wechat_channels", selling=False)
    live.marker()
    live.run(30)
    assert live.rules() == set()


def test_a_labelled_registered_human_driven_avatar_on_douyin_gives_nothing() -> None:
    live = Live("douyin")
    live.registered()
    live.label()
    live.marker()
    for _ in range(12):
        live.run(10)
        live.reply()
    assert live.rules() == set()


def test_an_avatar_whose_registry_has_not_spoken_gives_nothing_but_a_word_about_the_label() -> None:
    live = Live("douyin")
    live.marker()
    live.run(30)
    assert live.live_rules() == {"CN-LABEL-01"}


def test_a_label_put_up_within_a_minute_is_in_time() -> None:
    live = Live("douyin")
    live.marker()
    live.now_ms += 40 * SECOND
    live.label()
    live.run(30)
    assert live.rules() == set()


def test_a_label_taken_off_is_asked_for_again() -> None:
    live = Live("douyin")
    live.label()
    live.run(10)
    live.label(visible=False)
    live.run(10)
    assert "CN-LABEL-01" in live.live_rules()


def test_an_unregistered_avatar_on_douyin_is_interrupted() -> None:
    live = Live("douyin")
    live.label()
    live.marker()
    live.registered(avatar=False)
    assert live.live_rules() == {"DY-REG-01"}
    assert [a.action for a in live.found[-1].actions] == ["interrupt_live"]


def test_an_unregistered_human_is_none_of_its_business() -> None:
    live = Live("douyin")
    live.registered(avatar=False, driver=False)
    live.run(60)
    assert live.rules() == set()


def test_a_room_that_sells_the_software_goes_to_a_reviewer() -> None:
    live = Live("wechat_channels")
    for _ in range(4):
        live.now_ms += 30 * SECOND
        live.say("这套数字人直播软件今天优惠价三百块,点链接下单")
    assert live.rules() == {"WX-SOFT-01"}
    assert {a.action for d in live.found for a in d.actions} == {"review"}


def test_a_room_that_warns_against_the_software_gives_nothing() -> None:
    live = Live("wechat_channels")
    for _ in range(10):
        live.now_ms += 30 * SECOND
        live.say("大家千万别买数字人直播软件,都是骗局,会被封号")
    assert live.rules() == set()


def test_an_empty_room_is_idle_only_in_shadow_and_a_break_is_no_offence() -> None:
    live = Live("wechat_channels")
    live.run(40, person_present=False)
    assert live.rules() == {"WX-IDLE-01"}
    assert all(d.mode == "shadow" and not d.actions for d in live.found)
    resting = Live("wechat_channels")
    resting.run(40, paused=True, person_present=False)
    assert resting.rules() == set()


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("region", ["CN", "US", "DE"])
def test_silence_and_no_data_are_no_offence_anywhere(platform: str, region: str) -> None:
    live = Live(platform, region=region, since_ms=AFTER_ARTICLE_50)
    live.run(180)
    assert live.found == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_tired_person_in_the_picture_is_no_offence_anywhere(platform: str) -> None:
    for region in ("CN", "US", "DE"):
        live = Live(platform, region=region, since_ms=AFTER_ARTICLE_50)
        live.run(60, person_present=True, static_ratio=0.95, embedded_video_ratio=0.2)
        live.reply()
        live.run(60, person_present=True, static_ratio=0.95)
        assert live.found == []


@pytest.mark.parametrize(
    ("platform", "rules"),
    [
        ("wechat_channels", {"WX-AVATAR-01"}), ("douyin", set()), ("kuaishou", {"KS-TRAFFIC-01"}), ("taobao", set()),
        ("jd", set()), ("alibaba_1688", set()), ("xiaohongshu", set()), ("bilibili", set()),
    ],
)  # fmt: skip
def test_a_labelled_avatar_of_the_mainland_breaks_what_its_platform_says_and_no_more(
    platform: str, rules: set[str]
) -> None:
    live = Live(platform)
    live.label()
    live.marker()
    live.run(60, person_present=True, avatar_height_ratio=0.6, embedded_video_ratio=0.3)
    assert live.rules() == rules


@pytest.mark.parametrize("platform", ["kuaishou", "taobao", "jd", "alibaba_1688", "xiaohongshu", "bilibili"])
def test_the_mainland_s_law_holds_on_every_platform_of_it_and_nowhere_else(platform: str) -> None:
    live = Live(platform, region="CN")
    live.marker(tampered=True)
    live.run(30)
    assert {"CN-LABEL-01", "CN-TAMPER-01"} <= live.live_rules()
    abroad = Live(platform, region="SG")
    abroad.marker(tampered=True)
    abroad.run(30)
    assert abroad.rules() == set()


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("region", "holds"), [("DE", True), ("NO", True), ("GB", False), ("CH", False), ("CN", False)])
def test_the_overlay_lies_over_every_platform_in_its_countries_alone(platform: str, region: str, holds: bool) -> None:
    live = Live(platform, region=region, since_ms=AFTER_ARTICLE_50)
    live.marker()
    live.run(10)
    assert ("EU-50-01" in live.live_rules()) == holds


def test_a_room_in_the_union_keeps_its_platform_s_own_rules_beside_the_overlay() -> None:
    live = Live("tiktok_shop", region="FR", since_ms=AFTER_ARTICLE_50)
    live.marker()
    live.run(10)
    assert live.rules() == {"TT-LABEL-01", "EU-50-01"}
    early = Live("tiktok_shop", region="FR")
    early.marker()
    early.run(10)
    assert early.rules() == {"TT-LABEL-01"}, "Article 50 does not reach back"


@pytest.mark.parametrize(
    ("frame", "rules"),
    [
        ({"avatar_height_ratio": 0.5, "embedded_video_ratio": 0.33}, set()),
        ({"avatar_height_ratio": 0.49}, {"KS-FRAME-01"}),
        ({"avatar_height_ratio": 0.8, "embedded_video_ratio": 0.4}, {"KS-FRAME-01"}),
        ({"avatar_height_ratio": 0.8, "same_source_audio": True}, {"KS-REPLAY-01"}),  # for longer than a clip
    ],
)
def test_kuaishou_measures_the_frame_of_an_avatar(frame: dict[str, Any], rules: set[str]) -> None:
    live = Live("kuaishou")
    live.label()
    live.marker()
    live.run(20, person_present=True, **frame)
    assert live.rules() == {"KS-TRAFFIC-01"} | rules
    for found in live.found:
        assert found.rule.id == "KS-TRAFFIC-01" or [a.action for a in found.actions] == ["review"]


def test_kuaishou_measures_no_person() -> None:
    live = Live("kuaishou")
    live.run(10, person_present=True, avatar_height_ratio=0.2, embedded_video_ratio=0.9)
    assert live.rules() == set()


@pytest.mark.parametrize(
    ("platform", "rule"), [("taobao", "TB-IDLE-01"), ("jd", "JD-IDLE-01"), ("alibaba_1688", "ALI-IDLE-01")]
)
def test_nobody_there_for_a_quarter_of_an_hour_is_said_in_shadow_only(platform: str, rule: str) -> None:
    live = Live(platform)
    live.run(14, person_present=False)
    assert live.rules() == set()
    live.run(10, person_present=False)
    assert live.rules() == {rule}
    assert live.live_rules() == set()


def test_a_cover_costs_points_only_when_it_stays_and_only_in_the_united_states() -> None:
    live = Live("tiktok_shop", region="US")
    live.run(3, person_present=True, cover_ratio=0.8)
    assert {a.action for d in live.found for a in d.actions} == {"notify"}
    live.run(12, person_present=True, cover_ratio=0.8)
    assert {a.action for d in live.found for a in d.actions} == {"notify", "deduct_points"}
    moment = Live("tiktok_shop", region="US")
    moment.run(3, person_present=True, cover_ratio=0.8)
    moment.run(60, person_present=True, cover_ratio=0.1)
    assert {a.action for d in moment.found for a in d.actions} == {"notify"}
    abroad = Live("tiktok_shop", region="ID")
    abroad.run(15, person_present=True, cover_ratio=0.8)
    assert abroad.rules() == set()


def test_a_person_who_answers_beside_a_played_video_is_left_alone_in_the_united_states() -> None:
    live = Live("tiktok_shop", region="US")
    live.run(5, person_present=True)
    live.pass_challenge()
    for _ in range(6):
        live.reply()
        live.run(4, person_present=True, same_source_audio=True)
    assert live.rules() == set()
    silent = Live("tiktok_shop", region="US")
    silent.run(9, person_present=True, same_source_audio=True)
    assert silent.rules() == set()
    silent.run(9, person_present=True, same_source_audio=True)
    assert silent.rules() == {"TT-VOICE-01"}


@pytest.mark.parametrize("platform", ["youtube", "bilibili", "tiktok_shop"])
def test_who_declares_is_not_asked_for_a_label(platform: str) -> None:
    live = Live(platform, region="US" if platform != "bilibili" else "CN")
    live.label()
    live.marker()
    live.run(60)
    assert live.rules() == set()


def test_an_ai_host_on_twitch_is_only_observed() -> None:
    live = Live("twitch", region="US")
    live.marker()
    live.run(30)
    assert live.rules() == set()
    live.send(e.LikenessMatch, person_id="p", similarity=0.97, consent="none")
    assert live.rules() == {"TW-NCII-01"}
    assert live.live_rules() == set()


def test_a_lookalike_who_is_human_is_left_alone() -> None:
    live = Live("douyin")
    live.send(e.LikenessMatch, person_id="p", similarity=0.99, consent="none")
    live.run(30)
    assert live.rules() == set()


def test_a_persona_goes_to_a_person_before_anything_is_removed() -> None:
    live = Live("douyin", selling=False)
    live.send(e.PersonaFlag, kind="elite", conduct="courses", confidence=0.97)
    assert live.rules() == {"DY-PERSONA-03"}
    assert [a.action for a in live.found[0].actions] == ["review"]


def test_a_forged_marker_pauses_the_room_anywhere() -> None:
    for platform in ("douyin", "wechat_channels"):
        live = Live(platform, selling=False)
        live.marker(tampered=True)
        assert live.rules() == {"CN-TAMPER-01"}


def test_a_misleading_synthetic_product_goes_to_a_person_and_an_honest_one_does_not() -> None:
    honest = Live("douyin")
    honest.send(e.ProductMedia, product_id="p", synthetic=True, misleading=False)
    assert honest.rules() == set()
    live = Live("douyin")
    live.send(e.ProductMedia, product_id="p", synthetic=True, misleading=True)
    assert live.rules() == {"DY-FALSE-01"}


def test_every_rule_has_two_tests_each_way_and_a_basis_that_fits_its_mode() -> None:
    rules = [rule for policy in BOOK.policies for rule in policy.rules]
    assert {rule.id for rule in rules} == {
        "CN-LABEL-01", "CN-TAMPER-01", "CN-LIKE-01", "CN-DVH-01", "CN-FLEET-01",
        "WX-AVATAR-01", "WX-REPLAY-01", "WX-IDLE-01", "WX-SOFT-01",
        "DY-REG-01", "DY-DRIVE-01", "DY-PERSONA-01", "DY-PERSONA-02", "DY-PERSONA-03", "DY-FALSE-01",
        "KS-FRAME-01", "KS-REPLAY-01", "KS-TRAFFIC-01", "TB-IDLE-01", "JD-IDLE-01", "ALI-IDLE-01",
        "XHS-HOST-01", "BILI-LABEL-01", "TT-VOICE-01", "TT-COVER-01", "TT-LABEL-01", "YT-DISC-01", "TW-NCII-01",
        "EU-50-01",
    }  # fmt: skip
    for rule in rules:
        opens = sum(bool(case.expect) for case in rule.cases)
        assert opens >= 2, rule.id
        assert len(rule.cases) - opens >= 2, rule.id
        assert (rule.rollout.mode == "shadow") == (rule.basis.status != "in_force"), rule.id


def test_what_hurts_most_always_needs_a_person() -> None:
    needs = {name for name, kind in ACTIONS.items() if kind.reviewer}
    assert needs == {"limit_commerce", "suspend_live", "ban_account", "freeze_payout", "report_authorities"}
