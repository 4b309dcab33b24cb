"""A bad policy never goes live: it is refused with file, line, column, what was expected and what to do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.build import a_policy, a_rule
from worker.policy.load import load_policies
from worker.policy.model import PolicyErrors

RUBBISH = [
    "{",
    "[",
    "]",
    ": ",
    "\n",
    "\n  - ",
    "'",
    '"',
    "|",
    ">",
    "&a ",
    "*a",
    "!!int ",
    "null",
    "{}",
    "[]",
    "nan",
    "1e999",
    "-1",
    "#",
]
TEN = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
ENDLESS = f"true && {TEN}.all(a, {TEN}.all(b, {TEN}.all(c, {TEN}.all(d, {TEN}.all(e, a + b + c + d + e >= 0)))))"
DEEP = "[" * 20 + "1" + "]" * 20


def problems_of(*texts: str) -> tuple[str, ...]:
    with pytest.raises(PolicyErrors) as refused:
        load_policies({f"f{i}.yaml": text for i, text in enumerate(texts)})
    return tuple(map(str, refused.value.problems))


def lines_until(text: str, needle: str) -> int:
    return text[: text.index(needle)].count("\n") + 1


BROKEN = [
    # name, replace in a sound policy, by, words of the message
    ("syntax", "severity: 3", "severity: [3", ["not YAML", "check indentation"]),
    ("cel syntax", ">= POSSIBLE", ">= ", ["rule T-ONE-01: when", "Syntax error"]),
    ("type", ">= POSSIBLE", '>= "x"', ["cannot take (int, string)", "matching types"]),
    ("float", "ai_presenter.certainty >= POSSIBLE", "frame.cover_ratio > 1", ["write 0.5 or 1.0"]),
    ("unknown fact", "ai_presenter.certainty", "presenter.certainty", ["unknown name", "expected a fact"]),
    ("unknown field", "ai_presenter.certainty", "ai_presenter.certanty", ["did you mean 'ai_presenter.certainty'"]),
    ("unknown function", "ai_presenter.certainty", "now()", ["unknown name 'now'"]),
    ("unknown family", "ai_presenter.certainty", 'level("AY")', ["unknown family 'AY'", "NONINT"]),
    ("non-bool", "ai_presenter.certainty >= POSSIBLE", "ai_presenter.certainty", ["type int, expected bool"]),
    ("division by zero", "ai_presenter.certainty >= POSSIBLE", "10 / room.viewers > 1", ["divide by zero", "guard"]),
    ("modulo by zero", "ai_presenter.certainty >= POSSIBLE", "10 % room.viewers > 1", ["modulus by zero", "guard"]),
    ("index out of bounds", "ai_presenter.certainty >= POSSIBLE", "room.shop_systems[0] == 'x'", ["guard it"]),
    ("key that is missing", "ai_presenter.certainty >= POSSIBLE", "history.upheld['X-1'] > 0", ["guard it"]),
    ("overflow", "ai_presenter.certainty >= POSSIBLE", "9223372036854775807 + room.viewers + 1 > 0", ["guard it"]),
    ("never done", "ai_presenter.certainty >= POSSIBLE", ENDLESS, ["too many steps", "do not nest all, exists"]),
    ("loop", "ai_presenter.certainty >= POSSIBLE", "while(true)", ["reserved identifier: while"]),
    ("clock", "ai_presenter.certainty", "timestamp()", ["rule T-ONE-01: when"]),
    ("time zone", "ai_presenter.certainty", "timestamp(0).getHours('Asia/Shanghai')", ["takes no time zone", "offset"]),
    ("import", "ai_presenter.certainty >= POSSIBLE", '__import__("os")', ["unknown name '__import__'"]),
    ("assignment", ">= POSSIBLE", "= POSSIBLE", ["rule T-ONE-01: when", "Syntax error"]),
    ("Python for CEL", ">= POSSIBLE", ">= POSSIBLE and label.visible", ["rule T-ONE-01: when", "Syntax error"]),
    ("string for certainty", ">= POSSIBLE", ">= 'POSSIBLE'", ["cannot take (int, string)", "matching types"]),
    ("bare fact", "ai_presenter.certainty >= POSSIBLE", "label", ["'label' is a fact", "label.visible"]),
    ("level computed", "ai_presenter.certainty", "level(label.kind)", ["level needs literal arguments"]),
    ("inner variable", "ai_presenter.certainty", "held.label", ["held_for needs literal arguments"]),
    ("exempt not bool", "severity: 3", "severity: 3\n    exempt: room.viewers", ["exempt", "type int, expected bool"]),
    ("exempt empty", "severity: 3", "severity: 3\n    exempt: ''", ["exempt must have 1 to"]),
    ("held_for what", ">= POSSIBLE", '>= 1 && held_for("room", "1m")', ["held_for cannot ask about 'room'"]),
    ("held_for how long", ">= POSSIBLE", '>= 1 && held_for("idle", "1y")', ["bad duration '1y'"]),
    ("unknown action", "[reduce_live_recommendation, ", "[explode, ", ["unknown action 'explode'", "expected one of"]),
    ("empty ladder", "ladder: [", "ladder: []\n    x: [", ["ladder is empty"]),
    ("unknown platform", "[wechat_channels]", "[wechat]", ["unknown platform 'wechat'"]),
    ("bad region", "regions: [CN]", "regions: [China]", ["bad region 'China'"]),
    ("version zero", "version: 1", "version: 0", ["version must be from 1"]),
    ("digits of another script", "severity: 3", "severity: ３", ["severity must be a whole number"]),
    ("version text", "version: 1", "version: one", ["version must be a whole number"]),
    ("no version", "version: 1\n", "", ["lacks 'version'"]),
    ("bad severity", "severity: 3", "severity: 9", ["severity must be from 1 to 5"]),
    ("bad duration", "severity: 3", "severity: 3\n    cooldown: soon", ["bad cooldown 'soon'", "30m"]),
    ("bad id", "id: T-ONE-01", "id: one", ["bad id 'one'"]),
    ("bad date", "since: 2024-06-17", "since: 2024-17-06", ["bad basis date"]),
    ("inferred that punishes", "status: in_force", "status: inferred", ["may not punish", "mode: shadow"]),
    ("no basis", "    basis: {", "    base: {", ["lacks 'basis'", "unknown key 'base'"]),
    ("no source", "source: press, ", "", ["basis lacks 'source'"]),
    ("unknown status", "status: in_force", "status: valid", ["unknown basis status 'valid'", "in_force, draft"]),
    ("unknown sureness", "sureness: high", "sureness: 90%", ["unknown sureness '90%'", "high, medium, low"]),
    ("unknown scope", "severity: 3", "severity: 3\n    scope: all", ["unknown scope 'all'", "selling, any"]),
    ("ladder no list", "ladder: [", "ladder: notify\n    x: [", ["ladder must be a list"]),
    ("ladder too long", "ladder: [", f"ladder: [{'notify, ' * 8}", ["ladder has 11 items, at most 8"]),
    ("term of an action", "ladder: [", "ladder: [{action: suspend_live, for: a month}, ", ["bad for 'a month'", "30d"]),
    ("action for nobody", "ladder: [", "ladder: [{for: 30d}, ", ["an action lacks 'action'"]),
    ("unknown mode", "severity: 3", "severity: 3\n    rollout: {mode: test}", ["unknown mode 'test'", "live, shadow"]),
    ("cap of nothing", "severity: 3", "severity: 3\n    caps: {per_day: 0}", ["per_day must be from 1"]),
    ("effect before 1970", "effective_from_ms: 0", "effective_from_ms: -1", ["effective_from_ms must be from 0"]),
    ("effect in seconds or words", "effective_from_ms: 0", "effective_from_ms: tomorrow", ["must be a whole number"]),
    ("unknown key of the file", "rules:\n", "rules: []\nnotes:\n", ["unknown key 'notes'"]),
    ("expects an empty list", "expect: [reduce_live_recommendation]", "expect: []", ["write none"]),
    ("expects an unknown action", "expect: [reduce_live", "expect: [demote_live", ["unknown action 'demote_live"]),
    ("tests an unknown family", "given: {}", "given: {level: {AY: LIMIT}}", ["unknown key 'AY'", "NONINT"]),
    ("tests an unknown field", "{certainty: CONFIRMED}", "{sure: CONFIRMED}", ["unknown key 'sure'"]),
    ("tab", "    severity: 3", "\tseverity: 3", ["not YAML", "check indentation"]),
    ("two documents", "rules:\n", "---\nrules:\n", ["a file holds one policy"]),
    ("alias", "severity: 3", "severity: *a", ["anchors and aliases are not allowed"]),
    ("draft that punishes", "status: in_force", "status: draft", ["may not punish", "mode: shadow"]),
    ("no positive test", "expect: [reduce_live_recommendation]", "expect: none", ["no test expects the rule to open"]),
    ("no negative test", "      - given: {}\n        expect: none\n", "", ["no test expects the rule to stay quiet"]),
    ("no tests", "tests:", "notes:", ["lacks 'tests'", "unknown key 'notes'"]),
    ("test fails", "certainty: CONFIRMED", "certainty: SUSPECTED", ["test failed", "got none"]),
    ("test of unknown fact", "given: {ai_presenter:", "given: {presenter:", ["unknown fact 'presenter'"]),
    ("test of wrong type", "{certainty: CONFIRMED}", "{certainty: 7}", ["unknown ai_presenter.certainty '7'"]),
    ("share of what", ">= POSSIBLE", '>= 1 && share("label.kind", "5m") > 0.5', ["share cannot ask about"]),
    ("share how long", ">= POSSIBLE", '>= 1 && share("idle", "2d") > 0.5', ["bad duration '2d'", "up to"]),
    ("test of a share", "given: {}", "given: {share: {idle: 2}}", ["share of idle must be from 0.0 to 1.0"]),
    ("pause of nothing", "severity: 3", "severity: 3\n    pause: {times: 3}", ["pause lacks 'rooms'"]),
    ("pause too touchy", "severity: 3", "severity: 3\n    pause: {rooms: 9, times: 1}", ["times must be from 2"]),
    ("sample in words", "severity: 3", "severity: 3\n    review_sample_percent: few", ["must be a whole number"]),
    ("remember too long", "severity: 3", "severity: 3\n    remember: 400d", ["remember is longer than 180d"]),
    ("exemption of nobody", "rules:\n", "exemptions: [{reason: x, until_ms: 9}]\nrules:\n", ["names one of room"]),
    ("exemption of two", "rules:\n", "exemptions: [{room: a, host: b, reason: x, until_ms: 9}]\nrules:\n",
     ["names one of room, host, operator, shop, this one room, host"]),
    ("exemption without end", "rules:\n", "exemptions: [{room: a, reason: x}]\nrules:\n", ["lacks 'until_ms'"]),
    ("exempt for no reason", "rules:\n", "exemptions: [{shop: a, until_ms: 9}]\nrules:\n", ["lacks 'reason'"]),
    ("exempt twice", "severity: 3",
     "severity: 3\n    exemptions: [{shop: a, reason: x, until_ms: 9}, {shop: a, reason: y, until_ms: 8}]",
     ["shop a is exempt twice"]),
    ("test of whom", "given: {}", "of: {viewer: v}\n        given: {}", ["unknown key 'viewer'"]),
    ("anchor", "severity: 3", "severity: &a 3", ["anchors and aliases are not allowed"]),
    ("merge key", "severity: 3", "severity: 3\n    <<: {a: 1}", ["merge keys are not allowed"]),
    ("tag", "severity: 3", "severity: !!python/object:os.system 3", ["tags such as"]),
    ("key twice", "severity: 3", "severity: 3\n    severity: 4", ["'severity' stands twice"]),
    ("unknown key", "severity: 3", "severity: 3\n    sevrity: 4", ["unknown key 'sevrity'"]),
    ("deep", "severity: 3", f"severity: {DEEP}", ["nested deeper than"]),
    ("bad percent", "severity: 3", "severity: 3\n    rollout: {mode: live, percent: 150}", ["percent must be from 0"]),
    ("bad cap", "severity: 3", "severity: 3\n    caps: {per_day: 5, on_exceed: drop}", ["unknown on_exceed 'drop'"]),
    ("unknown parent", "rules:\n", "inherits: [common_xx]\nrules:\n", ["inherits 'common_xx', which no file defines"]),
    ("itself", "rules:\n", "inherits: [wechat_channels]\nrules:\n", ["inherits itself", "break the circle"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_a_broken_policy_is_refused_with_an_actionable_message(old: str, new: str, words: list[str]) -> None:
    sound = a_policy(a_rule())
    load_policies({"sound.yaml": sound})  # the unbroken one is accepted
    assert old in sound
    problems = problems_of(sound.replace(old, new, 1))
    for word in words:
        assert any(word in problem for problem in problems), problems
    assert all(problem.startswith("f0.yaml:") for problem in problems)


def test_a_problem_names_file_line_and_column_of_the_very_character() -> None:
    text = a_policy(a_rule(when="ai_presenter.certainty >= POSSIBLE && label.visble"))
    line = lines_until(text, "visble")
    column = text.splitlines()[line - 1].index("visble") + 1
    assert problems_of(text)[0].startswith(f"f0.yaml:{line}:{column}: rule T-ONE-01: when: ")


def test_a_problem_in_a_block_scalar_names_its_line_and_column() -> None:
    text = a_policy(a_rule(when="|\n      ai_presenter.certainty >= POSSIBLE\n      && label.visble"))
    line = lines_until(text, "visble")
    column = text.splitlines()[line - 1].index("visble") + 1
    assert problems_of(text)[0].startswith(f"f0.yaml:{line}:{column}: ")


def test_the_broken_ones_are_many_and_each_is_another() -> None:
    assert len({(old, new) for _, old, new, _ in BROKEN}) == len(BROKEN) >= 70
    assert len({name for name, *_ in BROKEN}) == len(BROKEN)


def test_every_problem_comes_out_at_once() -> None:
    one = a_rule("T-ONE-01", when="nope").replace("severity: 3", "severity: 0")
    two = a_rule("T-TWO-02", ladder="[explode]", cooldown="soon")
    problems = problems_of(a_policy(one, two))
    assert len(problems) == 4
    assert [p.split(": ")[1] for p in problems] == ["rule T-ONE-01"] * 2 + ["rule T-TWO-02"] * 2


def test_an_id_is_unique_in_a_file_and_between_policies() -> None:
    assert any("stands twice in this file" in p for p in problems_of(a_policy(a_rule(), a_rule())))
    problems = problems_of(a_policy(), a_policy(name="douyin"))
    assert any("also stands in f" in p for p in problems)


def test_inheritance_may_not_go_in_circles() -> None:
    first = a_policy(a_rule("T-ONE-01"), name="one", head="inherits: [two]\n")
    second = a_policy(a_rule("T-TWO-02"), name="two", head="inherits: [one]\n")
    assert sum("break the circle" in p for p in problems_of(first, second)) == 2


def test_versions_take_effect_in_their_order() -> None:
    assert any("version 1 also stands in" in p for p in problems_of(a_policy(), a_policy()))
    late_first = problems_of(a_policy(version=1, since_ms=9_000), a_policy(version=2, since_ms=5_000))
    assert any("may not take effect earlier" in p for p in late_first)


def test_a_huge_file_is_refused_before_it_is_parsed() -> None:
    assert "at most 262144 are allowed" in problems_of("a: " + "x" * 300_000)[0]


@pytest.mark.parametrize("text", ["", "- 1", "7", "a: 1\n---\nb: 2", "\x00", "policy: {a: b}", "rules: []"])
def test_what_is_no_policy_is_refused_with_a_place(text: str) -> None:
    assert all(problem.startswith("f0.yaml:") for problem in problems_of(text))


def test_a_billion_laughs_is_refused() -> None:
    lol = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    assert "anchors and aliases" in problems_of(lol)[0]


def test_a_long_expression_is_refused() -> None:
    when = " && ".join(["label.visible"] * 200)
    assert any("longer than 2000" in p for p in problems_of(a_policy(a_rule(when=when))))


def test_a_wrong_value_is_named_where_it_stands() -> None:
    text = a_policy(a_rule().replace("severity: 3", "severity: 9"))
    line = lines_until(text, "severity: 9")
    assert problems_of(text)[0].startswith(f"f0.yaml:{line}:{len('    severity: ') + 1}: ")


def test_columns_stay_true_behind_functions_that_are_compiled_away() -> None:
    text = a_policy(a_rule(when='level("AI") >= LIMIT && held_for("idle", duration("5m")) && nope'))
    line = lines_until(text, "nope")
    column = text.splitlines()[line - 1].index("nope") + 1
    assert problems_of(text)[0].startswith(f"f0.yaml:{line}:{column}: ")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_whatever_is_in_a_file_it_is_loaded_or_refused_with_places(data: st.DataObject) -> None:
    text = a_policy(a_rule(exempt='level("AI") >= LIMIT && held_for("idle", duration("5m"))', caps="{per_day: 3}"))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        rubbish = data.draw(st.one_of(st.text(max_size=6), st.sampled_from(RUBBISH)))
        text = text[:at] + rubbish + text[at + cut :]
    try:
        load_policies({"f.yaml": text})
    except PolicyErrors as refused:
        assert all(problem.line >= 1 and problem.column >= 1 and problem.what for problem in refused.problems)


def test_no_more_rules_hold_in_a_room_than_it_can_keep_episodes_of() -> None:
    parent = a_policy(*(a_rule(f"T-P-{i}") for i in range(40)), name="common_cn")
    child = a_policy(*(a_rule(f"T-C-{i}") for i in range(40)), name="wx", head="inherits: [common_cn]\n")
    problems = problems_of(parent, child)
    assert len(problems) == 1
    assert "80 rules may hold in a room of wechat_channels in CN, at most 64 are allowed" in problems[0]


def test_what_lies_over_a_policy_counts_where_both_hold() -> None:
    below = a_policy(*(a_rule(f"T-B-{i}") for i in range(40)), name="below")
    over = a_policy(*(a_rule(f"T-O-{i}") for i in range(40)), name="over")
    assert any("80 rules may hold" in p for p in problems_of(below, over))
    load_policies({"below": below, "over": over.replace("regions: [CN]", "regions: [DE]")})


def test_what_a_refused_file_defines_is_not_called_missing_in_the_others() -> None:
    parent = a_policy(a_rule("T-ONE-01"))
    heir = a_policy(a_rule("T-TWO-01"), name="heir").replace("rules:\n", "inherits: [wechat_channels]\nrules:\n", 1)
    assert problems_of(parent.replace("version: 1", "version: one"), heir) == (
        "f0.yaml:2:10: version must be a whole number, is 'one'",
    )
    assert "f0.yaml:1:1: inherits 'wechat_channels', which no file defines" in problems_of(heir)[0]
