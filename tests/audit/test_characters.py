"""`audit.characters`: one table of characters under every Python, and nothing that decides asks another."""

import ast
import re
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import unicode_tables
from tests.test_exact import deciding
from tests.test_tidy import name_of, refuse, tree_of
from worker.audit.characters import DIGITS, SPACES, WORD, ascii_lower, letters, whole_word
from worker.audit.text import is_greeting, redact, thanks

CHARACTERS = [chr(code) for code in range(0x110000)]
SURROGATES = range(0xD800, 0xE000)
TABLES_OF_14 = unicodedata.unidata_version == unicode_tables.VERSION

BY_TABLE = {"lower", "upper", "casefold", "title", "capitalize", "swapcase", "isalpha", "isalnum", "isdigit", "isspace",
            "isdecimal", "isnumeric", "isidentifier", "isprintable", "islower", "isupper", "istitle"}  # fmt: skip
"""Methods of texts that ask the interpreter's tables of characters."""

AT_WHITE_SPACE = {"strip", "lstrip", "rstrip", "split", "rsplit"}
"""Methods that ask them where no argument says what to look for."""

CLASSES = re.compile(r"(?<!\\)(?:\\\\)*\\[wWdDsSbB]")
"""Classes of a pattern that ask them without `re.ASCII`."""

OWN_TEXT = {
    "worker/audit/calibration.py:split": "words of the table below it",
    "worker/audit/characters.py:split": "words of our own tables",
    "worker/audit/characters.py:lower": "of bytes, where it knows ASCII alone",
    "worker/egress/statement.py:capitalize": "a phrase of ours",
    "worker/policy/compile.py:lower": "CEL's name of a type, for a message",
    "worker/policy/compile.py:splitlines": "CEL's message",
    "worker/policy/document.py:splitlines": "to show where a problem is",
    "worker/policy/document.py:lstrip": "to show where a problem is",
    "worker/records.py:lower": "base 32",
}
"""path:method → why it reads no text from outside."""

PYTHONS = pytest.mark.skipif(not TABLES_OF_14, reason=f"this Python has Unicode {unicodedata.unidata_version}")


def plainly(text: str) -> str:
    """Letters as the interpreter's own tables have them."""
    return re.sub(r"[\W_]+", "", text.lower())


@PYTHONS
def test_the_table_is_what_the_script_writes() -> None:
    assert unicode_tables.WRITTEN.read_text(encoding="utf-8") == unicode_tables.text()


@pytest.mark.slow
@PYTHONS
def test_letters_are_those_of_python_3_11() -> None:
    assert [c for c in CHARACTERS if ord(c) not in SURROGATES and letters(c) != plainly(c)] == []
    for inside, pattern in ((WORD, r"\w"), (DIGITS, r"\d"), (SPACES, r"\s")):
        everything = "".join(CHARACTERS)
        assert re.findall(f"[{inside}]", everything) == re.findall(pattern, everything)


def test_what_was_a_letter_in_unicode_14_still_is_one() -> None:
    """Newer tables only add: so a text of yesterday reads the same under every Python, and under ours."""
    known = "".join(c for c in CHARACTERS if ord(c) not in SURROGATES and letters(c))
    assert re.findall(r"[\W_]", known) == []
    assert [c for c in known if letters(c) != plainly(c)] == []


@pytest.mark.parametrize(
    "newer", ["\U0001e4d0", "\U00011f04", "\U00031350", "\U0002ebf0"], ids=["Nag Mundari", "Kawi", "CJK H", "CJK I"]
)
def test_a_letter_of_a_newer_unicode_is_none(newer: str) -> None:
    assert letters(f"a{newer}b") == "ab"
    assert redact(f"{newer}@a.b") == f"{newer}▪▪▪"  # no part of an address; its end is a name all the same


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("Is it 99元？_", "isit99元"),
        ("这款，真的😀好看👍🏽", "这款真的好看"),
        ("𠮷野家 𝐀", "𠮷野家𝐀"),
        ("Привет Мир", "приветмир"),
        ("ÀÉ ǅ K", "àéǆk"),
        ("İstanbul", "istanbul"),
        ("ΑΣ ΟΔΟΣ", "ασοδοσ"),
        ("２０２６年", "２０２６年"),
        ("𐐀𐐨", "𐐨𐐨"),
    ],
)
def test_letters_are_kept_small_and_together(text: str, expected: str) -> None:
    assert letters(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_is_read_character_by_character(text: str) -> None:
    assert letters(text) == "".join(map(letters, text))
    assert ascii_lower(text) == "".join(c.lower() if c.isascii() else c for c in text)


@pytest.mark.parametrize("text", ["hi", "Hi!", "主播，hi", "😀hi😀", "hi 主播"])
def test_a_greeting_stands_alone(text: str) -> None:
    assert is_greeting(text)


@pytest.mark.parametrize("text", ["this", "主播hi", "hi主播", "hi_", "٣hi", "hiß", "𠮷hi"])
def test_what_is_part_of_a_word_is_no_greeting(text: str) -> None:
    assert not is_greeting(text)


def test_a_word_begins_where_no_letter_stands_before_it() -> None:
    assert thanks("Thanks!") == "Thank" and thanks("so，THANK you") == "THANK"
    assert thanks("outthank") == thanks("我thank") == ""
    buy = re.compile(whole_word("buy|set up"), re.ASCII | re.IGNORECASE)
    assert buy.search("要 Buy！") and buy.search("set up,")
    assert not buy.search("我buy") and not buy.search("buyer")


def test_redaction_knows_digits_of_every_script() -> None:
    assert redact("加微信 １２３４５ 或 ٣٤٥٦") == "加微信 ▪▪▪ 或 ▪▪▪"
    assert redact("写到 家@例子.中国 好吗\u3000@某人 https://a.b/c?d=e\u3000好") == "写到 ▪▪▪ 好吗\u3000▪▪▪ ▪▪▪\u3000好"


def _by_tables(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """(line, method, what) of each place that asks the interpreter's tables of characters."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="str"), attr=method) if method in {*BY_TABLE, *AT_WHITE_SPACE}:
                yield node.lineno, method, f"str.{method}"
            case ast.ImportFrom(module="re"):
                yield node.lineno, "re", "from re import: patterns are looked for as re.…"
            case ast.Import(names=names) if any(one.name == "re" and one.asname for one in names):
                yield node.lineno, "re", "import re as: patterns are looked for as re.…"
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner, method = node.func.value, node.func.attr
        named = isinstance(owner, ast.Attribute) and owner.attr == "name"  # of an enumeration: a word of ours
        if (method in BY_TABLE and not named) or (method in AT_WHITE_SPACE and not node.args) or method == "splitlines":
            yield node.lineno, method, f".{method}()"
        elif isinstance(owner, ast.Name) and owner.id == "re" and "ASCII" not in ast.unparse(node):
            text = "".join(part.value for part in ast.walk(node)
                           if isinstance(part, ast.Constant) and isinstance(part.value, str))  # fmt: skip
            if CLASSES.search(text) or "IGNORECASE" in ast.unparse(node):
                yield node.lineno, f"re.{method}", f"re.{method} without re.ASCII"


def test_what_decides_reads_characters_by_tables_of_our_own() -> None:
    found, used = [], set()
    for path in deciding():
        for line, method, what in _by_tables(tree_of(path)):
            where = f"{name_of(path)}:{method}"
            used.add(where)
            if where not in OWN_TEXT:
                found.append(f"{name_of(path)}:{line}: {what}")
    refuse(found, "texts from outside are read by `worker.audit.characters` and by patterns with re.ASCII")
    assert OWN_TEXT.keys() <= used


@pytest.mark.parametrize(
    "line",
    ["x.lower()", "x.strip()", "x.split()", "x.isdigit()", r're.compile(r"\d+")', 're.compile("a", re.IGNORECASE)',
     r're.sub(r"\s", "", x)', r're.compile(rf"\b{x}")', "map(str.lower, x)", "sorted(x, key=str.casefold)",
     "from re import compile", "import re as regex"],
)  # fmt: skip
def test_a_reader_of_the_interpreters_tables_would_be_found(line: str) -> None:
    assert list(_by_tables(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    ['x.strip("/")', 'x.split(",")', "level.name.lower()", r're.compile(r"\d+", re.ASCII)', 're.compile("[0-9]+")',
     r're.compile(r"\\d")'],
)  # fmt: skip
def test_others_would_not(line: str) -> None:
    assert not list(_by_tables(ast.parse(line)))
