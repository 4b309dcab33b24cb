"""The statement of reasons that a violation carries: ground, facts, automation, way of appeal, in plain sentences.

In Chinese for mainland rooms, in English elsewhere. It says what was read and counted, nothing else: no quotation, no
adjective. Maps to the DSA's Article 17 and to the Chinese rules' duty to say facts, term and way of appeal.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

from worker.audit.evidence import THRESHOLDS, Level
from worker.audit.numbers import exp
from worker.egress.phrases import PHRASES, WORDS
from worker.policy.model import Decision

FACTS_TEXT_MAX = 5_000
GROUND_MAX = 2_000
_BEIJING = timezone(timedelta(hours=8))
_CLOSING = ("cleared", "withdrawn")
_BY_PERSON = ("restored", "partly")


class Statement(NamedTuple):
    """As the schema names it."""

    ground: str
    facts_text: str
    automated_detection: bool
    automated_decision: bool
    redress: str


class _Tongue:
    """One language of the tables in `phrases`."""

    def __init__(self, language: str) -> None:
        self.chinese = language == "zh"
        self._phrases = {name: str(getattr(phrase, language)) for name, phrase in PHRASES.items()}
        self._words = {kind: {word: str(getattr(p, language)) for word, p in of.items()} for kind, of in WORDS.items()}

    def say(self, phrase: str, **values: object) -> str:
        return self._phrases[phrase].format(**values)

    def word(self, kind: str, word: object) -> str:
        """A word of the table; one that it does not know as it is."""
        return self._words[kind].get(word) or ("" if word in self._words[kind] else str(word).replace("_", " "))

    def join(self, between: str, names: list[str]) -> str:
        return self._phrases[f"between {between}"].join(names)

    def accuse(self, phrase: str, fact: Mapping[str, Any], **values: object) -> str:
        """A sentence about an accusing fact: how sure it is, and by what."""
        sure = self.word("sure", str(fact["certainty"]))
        by = self.say("by", by=self.word("by", fact["by"])) if fact.get("by") else ""
        return self.say(phrase, sure=sure, Sure=sure.capitalize(), by=by, **values)

    def time(self, at_ms: int) -> str:
        if self.chinese:
            t = datetime.fromtimestamp(at_ms / 1000, _BEIJING)  # strftime would leave 年 to the C library
            return f"{t.year}年{t.month:02}月{t.day:02}日{t.hour:02}时{t.minute:02}分{t.second:02}秒"
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


_ZH, _EN = _Tongue("zh"), _Tongue("en")


def statement_of(decision: Decision, region: str) -> Statement:
    """The statement of a decision, in the language of the region."""
    tongue = _ZH if region == "CN" else _EN
    sentences = [_opening(tongue, decision)]
    if decision.kind in _CLOSING:
        sentences.append(tongue.say(decision.kind))
    else:
        if decision.by_review is not None and decision.by_review.what in _BY_PERSON:
            sentences.append(tongue.say(decision.by_review.what))
        sentences += [*_facts(tongue, decision.facts), *_statistics(tongue, decision)]
        names = [name for name in decision.counterfactual if name != "history.step"]
        if names:
            sentences.append(tongue.say("without", names=tongue.join("names", names)))
        if decision.exemption is not None:
            until = tongue.time(decision.exemption.until_ms)
            sentences.append(tongue.say("exempt", reason=decision.exemption.reason, until=until))
    if decision.mode == "shadow":
        sentences.append(tongue.say("shadow"))
    by_person = decision.kind == "withdrawn" or decision.released
    return Statement(
        ground=_ground(tongue, decision)[:GROUND_MAX],
        facts_text=tongue.join("sentences", sentences)[:FACTS_TEXT_MAX],
        automated_detection=True,
        automated_decision=not by_person and any(a.action != "review" for a in decision.actions),
        redress=tongue.say("redress"),
    )


def _opening(tongue: _Tongue, decision: Decision) -> str:
    start, end = tongue.time(decision.window_start_ms), tongue.time(decision.decided_at_ms)
    rule = decision.rule
    return tongue.say("opening", start=start, end=end, rule=rule.id, title=rule.title, step=decision.step + 1)


def _ground(tongue: _Tongue, decision: Decision) -> str:
    basis = decision.rule.basis
    status = tongue.word("status", basis.status)
    return tongue.say("ground", text=basis.text, status=status, since=basis.since, source=basis.source)


def _facts(tongue: _Tongue, facts: Mapping[str, Any]) -> list[str]:
    said = []
    for name, sentence in _SENTENCES.items():
        fact = facts.get(name)
        if isinstance(fact, dict) and fact.get("certainty", "") != "none" and (text := sentence(tongue, fact)):
            said.append(text)
    return said


def _label(tongue: _Tongue, fact: dict[str, Any]) -> str:
    if fact["visible"] is None:
        return tongue.say("label.unknown")
    if fact["visible"]:
        lasting = {True: "label.continuous", False: "label.visible", None: "label.now"}
        return tongue.say(lasting[fact["continuous"]])
    return tongue.say("label.ever" if fact["ever"] else "label.never")


def _registration(tongue: _Tongue, fact: dict[str, Any]) -> str:
    if not fact["known"]:
        return ""
    return tongue.say(
        "registration",
        avatar=tongue.word("done", fact["avatar_registered"]),
        driver=tongue.word("done", fact["driver_verified"]),
        consent=tongue.word("there", fact["likeness_consent"]),
    )


def _promotion(tongue: _Tongue, fact: dict[str, Any]) -> str:
    kinds = [tongue.word("promotion", kind) for kind in ("selling", "teaching") if fact[kind]]
    what = tongue.join("promotions", kinds) or tongue.word("promotion", "")
    return tongue.accuse("software_promotion", fact, what=what, mentions=fact["mentions"])


def _frame(tongue: _Tongue, fact: dict[str, Any]) -> str:
    said = [
        tongue.say("ratio", name=tongue.word("ratio", name), ratio=fact[name])
        for name in WORDS["ratio"]
        if name in fact
    ]
    said += [tongue.say("same_source_audio")] if fact["same_source_audio"] else []
    return tongue.say("frame", ratios=tongue.join("shares", said)) if said else ""


def _persona(tongue: _Tongue, fact: dict[str, Any]) -> str:
    persona, conduct = tongue.word("persona", fact["kind"]), tongue.word("conduct", fact["conduct"])
    return tongue.accuse("persona", fact, persona=persona, conduct=conduct)


def _likeness(tongue: _Tongue, fact: dict[str, Any]) -> str:
    return tongue.accuse(
        "likeness", fact, similarity=fact["similarity"], consent=tongue.word("consent", fact["consent"])
    )


def _history(tongue: _Tongue, fact: dict[str, Any]) -> str:
    began = fact.get("began_at_step")
    return tongue.say("history", step=began + 1) if began else ""


_SENTENCES: dict[str, Callable[[_Tongue, dict[str, Any]], str]] = {
    "ai_presenter": lambda tongue, fact: tongue.accuse("ai_presenter", fact),
    "label": _label,
    "registration": _registration,
    "recorded": lambda tongue, fact: tongue.accuse("recorded", fact),
    "idle": lambda tongue, fact: tongue.say("idle", minutes=fact["minutes"]),
    "driven": lambda tongue, fact: tongue.say("driven") if fact["replies"] else "",
    "tamper": lambda tongue, fact: tongue.accuse("tamper", fact),
    "likeness": _likeness,
    "persona": _persona,
    "software_promotion": _promotion,
    "product_media": lambda tongue, fact: tongue.accuse("product_media", fact),
    "frame": _frame,
    "fleet": lambda tongue, fact: tongue.say("fleet", size=fact["size"]) if fact["size"] else "",
    "history": _history,
}
"""A sentence for each fact that a rule may have read, in the order of the statement."""


def _statistics(tongue: _Tongue, decision: Decision) -> list[str]:
    if decision.family is None or decision.log_e is None:
        return []
    shares = [f"{e.signal} {round(e.nats, 2) + 0.0:+.2f}" for e in decision.evidence]  # + 0.0: no "-0.00"
    threshold = THRESHOLDS[decision.level]
    return [
        tongue.say(
            "statistics",
            family=tongue.word("family", decision.family),
            level=Level(decision.level).name,
            log_e=decision.log_e,
            shares=tongue.join("shares", shares),
            mass=exp(decision.log_e),
            threshold=threshold,
            rate=f"{1 / threshold:.0e}" if decision.level else "1",
        )
    ]
