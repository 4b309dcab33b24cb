"""The statement of reasons that a violation carries: ground, facts, automation, way of appeal, in plain sentences.

In Chinese for mainland rooms, in English elsewhere. It says what was read and counted, nothing else: no quotation, no
adjective. Maps to the DSA's Article 17 and to the Chinese rules' duty to say facts, term and way of appeal.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from math import exp
from typing import Any, NamedTuple

from worker.audit.evidence import THRESHOLDS, Level
from worker.policy.model import Decision

FACTS_TEXT_MAX = 5_000
GROUND_MAX = 2_000
_BEIJING = timezone(timedelta(hours=8))


class Statement(NamedTuple):
    """As the schema names it."""

    ground: str
    facts_text: str
    automated_detection: bool
    automated_decision: bool
    redress: str


def statement_of(decision: Decision, region: str) -> Statement:
    """The statement of a decision, in the language of the region."""
    tongue = _ZH if region == "CN" else _EN
    sentences = [tongue.opening(decision)]
    if closing := tongue.closing.get(decision.kind):
        sentences.append(closing)
    else:
        sentences += [*_facts(tongue, decision.facts), *tongue.statistics(decision)]
        if decision.counterfactual:
            sentences.append(tongue.without(decision.counterfactual))
    if decision.mode == "shadow":
        sentences.append(tongue.shadow)
    by_person = decision.kind == "withdrawn" or decision.released
    return Statement(
        ground=tongue.ground(decision)[:GROUND_MAX],
        facts_text=tongue.joiner.join(sentences)[:FACTS_TEXT_MAX],
        automated_detection=True,
        automated_decision=not by_person and any(a.action != "review" for a in decision.actions),
        redress=tongue.redress,
    )


def _facts(tongue: "_Tongue", facts: Mapping[str, Any]) -> list[str]:
    said = []
    for name, sentence in tongue.facts.items():
        fact = facts.get(name)
        if isinstance(fact, dict) and fact.get("certainty", "") != "none" and (text := sentence(fact)):
            said.append(text)
    return said


class _Tongue(NamedTuple):
    joiner: str
    opening: Callable[[Decision], str]
    facts: dict[str, Callable[[dict[str, Any]], str]]
    statistics: Callable[[Decision], list[str]]
    without: Callable[[tuple[str, ...]], str]
    ground: Callable[[Decision], str]
    closing: dict[str, str]
    shadow: str
    redress: str


# --- Chinese ---

_ZH_SURE = {"suspected": "疑似", "possible": "很可能", "confirmed": "已确认"}
_ZH_BY = {
    "gb45438": "GB 45438 标识", "c2pa": "C2PA 来源凭证", "iptc": "IPTC 数字来源类型", "watermark": "生成水印",
    "declared": "直播间自行声明", "detectors": "检测器统计", "voice_and_visual": "声音与画面两类检测统计",
    "detectors_and_challenge": "检测器统计与真人验证", "repetition": "内容重复统计",
    "repetition_and_challenge": "内容重复统计与真人验证", "same_source_audio": "声音与嵌入视频同源",
    "label": "标识被取下", "speech": "口播", "title": "标题", "comment": "主播评论", "product": "商品",
}  # fmt: skip
_ZH_FAMILY = {"AI": "人工智能生成检测", "UNLABELLED": "未标识时段的人工智能生成检测", "NONINT": "不回应观众",
              "PLAY": "内容循环播放", "CHALLENGE": "真人验证未通过"}  # fmt: skip
_ZH_CONSENT = {"granted": "有", "none": "无", "unknown": "不明", "": "不明"}
_ZH_RATIOS = {"avatar_height_ratio": "数字人高度", "embedded_video_ratio": "嵌入视频", "cover_ratio": "遮盖画面"}
_ZH_STATUS = {"in_force": "现行有效", "draft": "征求意见稿", "inferred": "由同类规则推定"}
_ZH_PERSONA = {"foreign": "虚假外国人", "elite": "虚假成功人士", "attractive": "俊男美女人设"}
_ZH_CONDUCT = {"patriotism": "借爱国话题引流", "courses": "售卖课程", "private_traffic": "引流至站外",
               "interaction_bait": "诱导互动", "other": "其他"}  # fmt: skip


def _zh_time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, _BEIJING):%Y年%m月%d日%H时%M分%S秒}"


def _zh_by(fact: dict[str, Any]) -> str:
    return f"（依据：{_ZH_BY.get(fact['by'], fact['by'])}）" if fact.get("by") else ""


def _zh_sure(fact: dict[str, Any]) -> str:
    return _ZH_SURE[str(fact["certainty"])]


def _zh_label(fact: dict[str, Any]) -> str:
    if fact["visible"]:
        return "标识持续可见。" if fact["continuous"] else "标识当前可见，但本场未持续显示。"
    return "标识曾经显示，当前不可见。" if fact["ever"] else "本场未见标识。"


def _zh_registration(fact: dict[str, Any]) -> str:
    if not fact["known"]:
        return ""
    return (
        f"平台登记：虚拟形象{'已' if fact['avatar_registered'] else '未'}备案，"
        f"使用者{'已' if fact['driver_verified'] else '未'}实名核验，"
        f"{'有' if fact['likeness_consent'] else '无'}形象授权记录。"
    )


def _zh_promotion(fact: dict[str, Any]) -> str:
    what = "、".join(w for w, said in (("售卖", fact["selling"]), ("教学", fact["teaching"])) if said) or "展示"
    return f"{_zh_sure(fact)}{what}虚拟主播类软件，共{fact['mentions']}次{_zh_by(fact)}。"


def _zh_frame(fact: dict[str, Any]) -> str:
    said = [f"{words}占{fact[name]:.0%}" for name, words in _ZH_RATIOS.items() if name in fact]
    said += ["声音与嵌入视频同源"] if fact["same_source_audio"] else []
    return f"画面测量：{'，'.join(said)}。" if said else ""


_ZH_FACTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "ai_presenter": lambda f: f"{_zh_sure(f)}主播由人工智能生成或呈现{_zh_by(f)}。",
    "label": _zh_label,
    "registration": _zh_registration,
    "recorded": lambda f: f"{_zh_sure(f)}播放的是事先录制的内容{_zh_by(f)}。",
    "idle": lambda f: f"画面中无人、无人讲话、无人回应观众已{f['minutes']}分钟。",
    "driven": lambda f: "近期有对观众的回应。" if f["replies"] else "",
    "tamper": lambda f: f"{_zh_sure(f)}标识被删除、篡改、伪造或隐匿{_zh_by(f)}。",
    "likeness": lambda f: (
        f"{_zh_sure(f)}与特定自然人相似（相似度{f['similarity']:.2f}），授权记录：{_ZH_CONSENT[f['consent']]}。"
    ),
    "persona": lambda f: (
        f"{_zh_sure(f)}存在{_ZH_PERSONA.get(f['kind'], f['kind'])}人设，"
        f"行为：{_ZH_CONDUCT.get(f['conduct'], f['conduct'])}。"
    ),
    "software_promotion": _zh_promotion,
    "product_media": lambda f: f"{_zh_sure(f)}商品画面为合成且失实。",
    "frame": _zh_frame,
    "fleet": lambda f: f"同一主体同时在{f['size']}个直播间出现。" if f["size"] else "",
}


def _zh_statistics(decision: Decision) -> list[str]:
    if decision.family is None or decision.log_e is None:
        return []
    shares = _shares(decision, "，")
    return [
        f"统计证据“{_ZH_FAMILY.get(decision.family, decision.family)}”达到 {Level(decision.level).name} 级："
        f"ln M = {decision.log_e:.2f}（{shares}），即 M = {exp(decision.log_e):.3g}，"
        f"该级别门槛 {THRESHOLDS[decision.level]:.0e}，每直播间小时误报率不高于 {_rate(decision.level)}。"
    ]


def _zh_opening(decision: Decision) -> str:
    return (
        f"本记录涉及 {_zh_time(decision.window_start_ms)} 至 {_zh_time(decision.decided_at_ms)}（北京时间）的直播，"
        f"规则 {decision.rule.id}，第{decision.step + 1}级。"
    )


def _zh_ground(decision: Decision) -> str:
    basis = decision.rule.basis
    return f"{basis.text}（{_ZH_STATUS[basis.status]}，自 {basis.since}；来源：{basis.source}）"


_ZH = _Tongue(
    joiner="",
    opening=_zh_opening,
    facts=_ZH_FACTS,
    statistics=_zh_statistics,
    without=lambda names: f"若无下列任一项，本规则不成立：{'、'.join(names)}。",
    ground=_zh_ground,
    closing={"cleared": "上述情形已不再成立或直播已结束，本次认定解除。", "withdrawn": "经人工复核，本次认定撤销。"},
    shadow="本规则处于试运行，不产生任何处置。",
    redress="如有异议，可通过平台申诉入口提出，由人工复核；本系统仅提出建议，处置由平台作出。申诉成立的，本场直播不再适用该规则。",
)

# --- English ---


def _en_time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _en_by(fact: dict[str, Any]) -> str:
    return f" (by: {str(fact['by']).replace('_', ' ')})" if fact.get("by") else ""


def _en_sure(fact: dict[str, Any]) -> str:
    return str(fact["certainty"]).capitalize()


def _en_label(fact: dict[str, Any]) -> str:
    if fact["visible"]:
        return "A label is visible." if fact["continuous"] else "A label is visible now but was not shown continuously."
    return "A label was shown earlier and is not visible now." if fact["ever"] else "No label was seen in this session."


def _en_registration(fact: dict[str, Any]) -> str:
    if not fact["known"]:
        return ""
    return (
        f"Platform's registry: avatar {'' if fact['avatar_registered'] else 'not '}registered, "
        f"user {'' if fact['driver_verified'] else 'not '}verified, "
        f"{'a' if fact['likeness_consent'] else 'no'} consent to the likeness on record."
    )


def _en_promotion(fact: dict[str, Any]) -> str:
    what = " and ".join(w for w, said in (("sale", fact["selling"]), ("teaching", fact["teaching"])) if said) or "show"
    return f"{_en_sure(fact)}: {what} of virtual-host software, {fact['mentions']} times{_en_by(fact)}."


_EN_RATIOS = {"avatar_height_ratio": "avatar's height", "embedded_video_ratio": "embedded video",
              "cover_ratio": "cover"}  # fmt: skip


def _en_frame(fact: dict[str, Any]) -> str:
    said = [f"{words} {fact[name]:.0%}" for name, words in _EN_RATIOS.items() if name in fact]
    said += ["sound of an embedded video"] if fact["same_source_audio"] else []
    return f"Of the picture, as measured: {', '.join(said)}." if said else ""


_EN_FACTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "ai_presenter": lambda f: f"{_en_sure(f)}: AI produces or presents the host{_en_by(f)}.",
    "label": _en_label,
    "registration": _en_registration,
    "recorded": lambda f: f"{_en_sure(f)}: what is shown was recorded earlier{_en_by(f)}.",
    "idle": lambda f: f"Nobody in the picture, speaking or answering for {f['minutes']} minutes.",
    "driven": lambda f: "Viewers were answered recently." if f["replies"] else "",
    "tamper": lambda f: f"{_en_sure(f)}: a marker was removed, altered, forged or hidden{_en_by(f)}.",
    "likeness": lambda f: (
        f"{_en_sure(f)}: resembles a known person (similarity {f['similarity']:.2f}); consent: {f['consent']}."
    ),
    "persona": lambda f: f"{_en_sure(f)}: {f['kind']} persona used for {str(f['conduct']).replace('_', ' ')}.",
    "software_promotion": _en_promotion,
    "product_media": lambda f: f"{_en_sure(f)}: a product is shown by synthetic and misleading media.",
    "frame": _en_frame,
    "fleet": lambda f: f"The same identity is live in {f['size']} rooms." if f["size"] else "",
}


def _en_statistics(decision: Decision) -> list[str]:
    if decision.family is None or decision.log_e is None:
        return []
    shares = _shares(decision, ", ")
    return [
        f"Statistical evidence {decision.family} reached {Level(decision.level).name}: ln M = {decision.log_e:.2f} "
        f"({shares}), so M = {exp(decision.log_e):.3g}; the level needs {THRESHOLDS[decision.level]:.0e}, "
        f"and its false alarms are at most {_rate(decision.level)} per room-hour."
    ]


def _en_opening(decision: Decision) -> str:
    return (
        f"This concerns the broadcast from {_en_time(decision.window_start_ms)} to "
        f"{_en_time(decision.decided_at_ms)} UTC, rule {decision.rule.id} ({decision.rule.title}), "
        f"step {decision.step + 1}."
    )


def _en_ground(decision: Decision) -> str:
    basis = decision.rule.basis
    return f"{basis.text} ({basis.status.replace('_', ' ')} since {basis.since}; source: {basis.source})"


_EN = _Tongue(
    joiner=" ",
    opening=_en_opening,
    facts=_EN_FACTS,
    statistics=_en_statistics,
    without=lambda names: f"Without any one of these the rule would not hold: {', '.join(names)}.",
    ground=_en_ground,
    closing={
        "cleared": "This no longer holds, or the broadcast has ended; the finding is cleared.",
        "withdrawn": "After review by a person the finding is withdrawn.",
    },
    shadow="This rule is on trial; nothing follows from it.",
    redress=(
        "You may appeal through the platform; a person will decide. This system only recommends, the platform acts. "
        "If the appeal succeeds, the rule no longer applies to this broadcast."
    ),
)


def _shares(decision: Decision, comma: str) -> str:
    return comma.join(f"{e.signal} {round(e.nats, 2) + 0.0:+.2f}" for e in decision.evidence)  # + 0.0: no "-0.00"


def _rate(level: int) -> str:
    return f"{1 / THRESHOLDS[level]:.0e}" if level else "1"
