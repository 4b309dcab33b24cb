"""The documents follow the language rules of the house, and cite only what is there.

The rules: one idea a sentence, one sentence a line, plain words, no semicolon. A path, command or heading that is cited
exists. A table of figures in docs/ lies between comments that name the command that made it.
"""

import importlib.util
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median
from urllib.parse import unquote

import pytest

from tests.support.markdown import CODE, Block, anchors, blocks, split, tables, words
from tests.test_tidy import FILES, REPOSITORY, name_of, refuse, text_of

SENTENCE_WORDS_MAX = 40
SENTENCE_WORDS_MEDIAN_MAX = 18
LINE_MAX = 120
ARCHITECTURE_BYTES_MAX = 10_240

NO_DOCUMENTS = {
    "tests/bench/capacity.template.md": "docs/CAPACITY.md is made from it, and is read in its place",
}
"""Markdown that is no document, with the reason."""

MADE_ON_THE_WAY = ("build/", "dist/", ".venv/")
"""Folders whose files commands make: a document may name them although the repository does not hold them."""

BANNED = re.compile(
    r"\b(?:whoever|whomever|somebody|nobody|anew|mend|mends|mended|forgets|that of|those of which|of which|stands)\b",
    re.IGNORECASE,
)
TOP = tuple(sorted({path.relative_to(REPOSITORY).parts[0] for path in FILES if path.parent != REPOSITORY}))
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, TOP))})/[\w./{{}},*-]*[\w/}}*]")
BARE = re.compile(r"(?<![\w./<*-])[\w.-]+\.(?:py|md)\b")
MODULE = re.compile(r"python -m ([\w.]+)")
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)\b")
COMMAND = re.compile(r"\bstream-audit ([a-z]+)")
MADE_BY = re.compile(r"^<!-- made by: (.+) -->$")
END = "<!-- end -->"

DOCUMENTS = [path for path in FILES if path.suffix == ".md" and name_of(path) not in NO_DOCUMENTS]
NAMES = [name_of(path) for path in DOCUMENTS]


@cache
def blocks_of(name: str) -> list[Block]:
    return blocks(text_of(REPOSITORY / name))


def spoken(block: Block) -> bool:
    """Whether the block is language, not code."""
    return block.kind != "code"


def code_of(block: Block) -> tuple[str, ...]:
    return (block.text,) if block.kind == "code" else block.codes


# --- language --------------------------------------------------------------------------------------------------


def long_sentences(found: list[Block]) -> list[str]:
    return [
        f"line {block.line}, {words(sentence)} words: {sentence[:90]}…"
        for block in found
        if spoken(block)
        for sentence in block.sentences()
        if words(sentence) > SENTENCE_WORDS_MAX
    ]


def refused_words(found: list[Block]) -> list[str]:
    """Banned words and semicolons, with the line."""
    return [
        f"line {block.line}: {match.group()!r} in {block.text[max(0, match.start() - 30) : match.end() + 30]!r}"
        for block in found
        if spoken(block)
        for match in (*BANNED.finditer(block.text.replace("\n", " ")), *re.finditer(";", block.text))
    ]


def lines_of_two(found: list[Block]) -> list[str]:
    """Lines of prose on which a sentence ends and another begins."""
    return [
        f"line {block.line + i}: {line[:90]}…"
        for block in found
        if block.kind == "prose"
        for i, line in enumerate(block.text.split("\n"))
        if len(split(line)) > 1
    ]


def test_there_are_documents_to_read() -> None:
    assert {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/glossary.md"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_sentences_are_short(name: str) -> None:
    refuse(long_sentences(blocks_of(name)), f"{name}: a sentence has at most {SENTENCE_WORDS_MAX} words")
    lengths = [words(s) for block in blocks_of(name) if block.kind == "prose" for s in block.sentences()]
    assert median(lengths or [0]) <= SENTENCE_WORDS_MEDIAN_MAX


@pytest.mark.parametrize("name", NAMES)
def test_words_are_plain_and_nothing_hangs_on_a_semicolon(name: str) -> None:
    refuse(refused_words(blocks_of(name)), f"{name}: say it in plain words, one idea a sentence")


@pytest.mark.parametrize("name", NAMES)
def test_a_line_holds_one_sentence(name: str) -> None:
    refuse(lines_of_two(blocks_of(name)), f"{name}: one sentence a line")


@pytest.mark.parametrize("name", NAMES)
def test_lines_are_short(name: str) -> None:
    text = text_of(REPOSITORY / name)
    spans = [range(table.first_line, table.end_line) for table in tables(text)]
    fenced = [range(b.line, b.line + b.text.count("\n") + 2) for b in blocks_of(name) if b.kind == "code"]
    found = [
        f"line {number} has {len(line)}"
        for number, line in enumerate(text.splitlines(), start=1)
        if len(line) > LINE_MAX and not any(number in span for span in (*spans, *fenced))
        and "](" not in line and not MADE_BY.match(line)
    ]  # fmt: skip
    refuse(found, f"{name}: lines have at most {LINE_MAX} characters, outside of tables and code")


# --- what is cited ---------------------------------------------------------------------------------------------


def is_there(path: str, document: Path) -> bool:
    """Whether a cited path is a file or folder: from the root or from the document's folder; `*` and `{a,b}` match."""
    if path.startswith(MADE_ON_THE_WAY):
        return True
    alternatives = re.search(r"\{([^{}]*)\}", path)
    if alternatives:
        head, tail = path[: alternatives.start()], path[alternatives.end() :]
        return all(is_there(f"{head}{one}{tail}", document) for one in alternatives[1].split(","))
    return any(any(folder.glob(path.rstrip("/"))) for folder in (REPOSITORY, document.parent))


def missing_paths(found: list[Block], document: Path) -> Iterator[str]:
    for block in found:
        texts = (block.text, *block.codes)
        cited = {path for text in texts for path in PATH.findall(text)}
        cited |= {path for text in block.codes for path in BARE.findall(text) if "/" not in text and " " not in text}
        yield from (f"line {block.line}: {path}" for path in sorted(cited) if not is_there(path.rstrip("."), document))


def broken_links(found: list[Block], document: Path) -> Iterator[str]:
    """Links into the repository whose file or heading is not there."""
    for block in found:
        for link in block.links:
            if re.match(r"[a-z]+:", link):
                continue
            path, _, fragment = unquote(link).partition("#")
            target = (document.parent / path).resolve() if path else document
            if not target.exists():
                yield f"line {block.line}: {link}"
            elif fragment and fragment not in anchors(text_of(target)):
                yield f"line {block.line}: {link} names no heading"


def unknown_commands(code: str) -> Iterator[str]:
    """Commands of this repository that do not exist: modules, targets of make, commands of stream-audit."""
    from worker.cli import COMMANDS

    targets = set(re.findall(r"^([a-z-]+):", text_of(REPOSITORY / "Makefile"), re.MULTILINE))
    for module in MODULE.findall(code):
        if module.split(".")[0] in ("tests", "worker", "deploy") and importlib.util.find_spec(module) is None:
            yield f"python -m {module}"
    yield from (f"make {target}" for target in TARGET.findall(code) if target not in targets)
    yield from (f"stream-audit {command}" for command in COMMAND.findall(code) if command not in COMMANDS)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_is_cited_exists(name: str) -> None:
    path = REPOSITORY / name
    refuse(
        [*missing_paths(blocks_of(name), path), *broken_links(blocks_of(name), path)], f"{name} cites what is not there"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_command_that_is_cited_exists(name: str) -> None:
    found = [f"line {b.line}: {one}" for b in blocks_of(name) for code in code_of(b) for one in unknown_commands(code)]
    refuse(found, f"{name} cites a command that does not exist")


# --- figures ---------------------------------------------------------------------------------------------------


def unmarked_figures(text: str) -> list[str]:
    """Tables of figures that no comment pair encloses, and pairs that do not close."""
    found, made = [], {}
    command, opened = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        begins = MADE_BY.match(line.strip())
        if begins:
            found += [f"line {opened}: a pair of markers that does not close"] if command else []
            command, opened = begins[1], number
        elif line.strip() == END:
            found += [] if command else [f"line {number}: an end without a beginning"]
            command = ""
        made[number] = command
    found += [f"line {opened}: a pair of markers that does not close"] if command else []
    found += [
        f"line {table.first_line}: a table of figures that names no command"
        for table in tables(text)
        if table.has_figures() and not made[table.first_line]
    ]
    return found


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/")])
def test_every_table_of_figures_names_the_command_that_made_it(name: str) -> None:
    text = text_of(REPOSITORY / name)
    refuse(unmarked_figures(text), f"{name}: figures stand between `<!-- made by: command -->` and `{END}`")
    commands = [match[1] for line in text.splitlines() if (match := MADE_BY.match(line))]
    refuse([one for command in commands for one in unknown_commands(command)], f"{name} was made by no known command")


# --- single documents ------------------------------------------------------------------------------------------


def test_the_architecture_can_be_read_in_a_quarter_of_an_hour() -> None:
    assert (REPOSITORY / "ARCHITECTURE.md").stat().st_size <= ARCHITECTURE_BYTES_MAX


def test_the_map_shows_the_layers_that_imports_are_held_to() -> None:
    shown = next(b.text for b in blocks_of("ARCHITECTURE.md") if b.kind == "code").split("\n")[:-1]
    contracts = tomllib.loads(text_of(REPOSITORY / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    assert shown == contracts[0]["layers"]


def test_the_glossary_defines_every_term_once_and_in_order() -> None:
    lines = text_of(REPOSITORY / "docs" / "glossary.md").splitlines()
    terms = [match[1].lower() for line in lines if (match := re.match(r"\*\*([^*]+?)\.?\*\*", line))]
    assert len(terms) > 80
    refuse([term for term, times in Counter(terms).items() if times > 1], "a term is defined once")
    assert terms == sorted(terms)


def test_decisions_are_numbered_listed_and_say_what_they_cost() -> None:
    folder = REPOSITORY / "docs" / "decisions"
    files = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    assert [path.name[:3] for path in files] == [f"{number:03}" for number in range(1, len(files) + 1)]
    index = text_of(folder / "README.md")
    refuse([path.name for path in files if index.count(f"({path.name})") != 1], "the index lists each decision once")
    wanted = ["Context", "Decision", "Cost", "Measured by"]
    found = [path.name for path in files if re.findall(r"^## (.+)$", text_of(path), re.MULTILINE) != wanted]
    refuse(found, f"a decision has the sections {', '.join(wanted)}")


# --- the checks themselves -------------------------------------------------------------------------------------


def test_a_long_sentence_would_be_seen_and_code_counts_as_one_word() -> None:
    assert long_sentences(blocks("word " * 41 + "."))
    assert not long_sentences(blocks("word " * 39 + "`a b c d`."))
    assert long_sentences(blocks("- " + "word " * 41))
    assert long_sentences(blocks("| a |\n|---|\n| " + "word " * 41 + " |"))
    assert not long_sentences(blocks("```\n" + "word " * 41 + "\n```"))


@pytest.mark.parametrize("text", ["One; two.", "Nobody knows.", "- Begun anew.", "| a |\n|---|\n| x; y |", "# A; B"])
def test_what_is_not_plain_would_be_seen(text: str) -> None:
    assert refused_words(blocks(text))
    assert not refused_words(blocks(f"`{text.splitlines()[0]}`"))


def test_sentences_end_where_readers_end_them() -> None:
    assert split("It takes 2.5 s, e.g. Here. Then `code` ends! It does.") == [
        "It takes 2.5 s, e.g. Here.", f"Then {CODE} ends!", "It does.",
    ]  # fmt: skip
    assert lines_of_two(blocks("One ends. Two begins."))
    assert not lines_of_two(blocks("One ends.\nTwo begins."))
    assert not lines_of_two(blocks("**Means.** One ends.\n**Do.** Two begins."))
    assert lines_of_two(blocks("**Means.** One ends. Two begins."))


@pytest.mark.parametrize(
    "text",
    [
        "See `worker/none.py`.", "See docs/none.md.", "See [it](none.md).", "See `none.md`.", "See [it](#none).",
        "See `worker/{cli,none}/`.", "```\ncat schemas/none.yaml\n```",
    ],
)  # fmt: skip
def test_a_citation_of_nothing_would_be_seen(text: str) -> None:
    document = REPOSITORY / "README.md"
    assert [*missing_paths(blocks(text), document), *broken_links(blocks(text), document)]


@pytest.mark.parametrize("code", ["make nonesuch", "python -m tests.nonesuch", "stream-audit nonesuch"])
def test_a_command_that_does_not_exist_would_be_seen(code: str) -> None:
    assert list(unknown_commands(code))


def test_figures_without_a_command_would_be_seen() -> None:
    table = "| a | b |\n|---|---|\n| x | 1,234 |\n"
    assert unmarked_figures(table)
    assert not unmarked_figures(f"<!-- made by: make bench -->\n\n{table}\n{END}\n")
    assert unmarked_figures(f"<!-- made by: make bench -->\n\n{table}")
    assert not unmarked_figures("| a | b |\n|---|---|\n| x | y |\n")
