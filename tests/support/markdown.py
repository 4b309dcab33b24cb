"""Markdown as the tests of the documents read it: prose in sentences, cells, headings, code, links and cited paths."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

CODE = "`code`"
"""What a span of code counts as: one word."""

Kind = Literal["prose", "cell", "heading", "label", "code"]

_PARSER = MarkdownIt("commonmark").enable("table")
_ENDS = re.compile(r"(?<=[.!?])[\"”’)\]*]*\s+(?=[\"“(\[*`]*[A-Z0-9`])")
_ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|cf|vs|Art|No)\.$")


class Block(NamedTuple):
    """A piece of a document. `text` has code spans replaced by `CODE`; `codes` holds them; `line` counts from 1.

    Kinds: prose is a paragraph or a list item; a label is the bold lead-in of one ("**Means.**"); code is a fence.
    """

    line: int
    kind: Kind
    text: str
    codes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """The sentences of the text, in order."""
        return split("" if self.kind == "code" else self.text.replace("\n", " "))


class Table(NamedTuple):
    """A table: the lines that it spans (from 1, the end excluded), and the cells of its body."""

    first_line: int
    end_line: int
    cells: tuple[str, ...]

    def has_figures(self) -> bool:
        """Whether a cell is a number, with or without a unit or an interval."""
        return any(
            re.match(r"^[*~≤≥±–−+-]*\s*\d[\d,.]*(?:e[+-]?\d+)?\s*(?:\W.*|[A-Za-z%×]{0,6})$", c) for c in self.cells
        )


def split(text: str) -> list[str]:
    """Split prose into sentences; an abbreviation or a decimal point ends none."""
    found, start = [], 0
    for match in _ENDS.finditer(text):
        if _ABBREVIATED.search(text[start : match.start()]):
            continue
        found.append(text[start : match.start()].strip())
        start = match.end()
    return [sentence for sentence in (*found, text[start:].strip()) if sentence]


def words(sentence: str) -> int:
    """How many words a sentence has; a span of code, a number or a symbol with letters counts as one."""
    return sum(any(char.isalnum() for char in word) for word in sentence.split())


def blocks(text: str) -> list[Block]:
    """The pieces of a document in their order."""
    found: list[Block] = []
    tokens = _PARSER.parse(text)
    for i, token in enumerate(tokens):
        line = (token.map or [0])[0] + 1
        if token.type in ("fence", "code_block"):
            found.append(Block(line, "code", token.content))
        elif token.type == "inline":
            found += _inline(tokens[i - 1].type, token, line)
    return found


def tables(text: str) -> list[Table]:
    """The tables of a document."""
    found: list[Table] = []
    cells: list[str] = []
    span, inside = [0, 0], False
    for token in _PARSER.parse(text):
        if token.type == "table_open":
            span, cells = token.map or [0, 0], []
        elif token.type in ("td_open", "td_close"):
            inside = token.type == "td_open"
        elif token.type == "inline" and inside:
            cells.append(token.content)
        elif token.type == "table_close":
            found.append(Table(span[0] + 1, span[1] + 1, tuple(cells)))
    return found


def _inline(parent: str, token: Token, line: int) -> Iterator[Block]:
    children = token.children or []
    kind: Kind = "cell" if parent in ("td_open", "th_open") else "heading" if parent == "heading_open" else "prose"
    if kind != "prose":
        yield _block(line, kind, children)
        return
    starts = [0, *(i + 1 for i, child in enumerate(children) if child.type == "softbreak" and _lead(children[i + 1 :]))]
    for start, end in zip(starts, [*starts[1:], len(children) + 1], strict=True):
        part = children[start : end - 1]
        at = line + sum(child.type == "softbreak" for child in children[:start])
        lead = _lead(part)
        if lead:
            yield _block(at, "label", part[:lead])
        yield _block(at, kind, part[lead:])


def _lead(children: Sequence[Token]) -> int:
    """How many children at the beginning are a bold lead-in that ends in a full stop or a colon; 0 for none."""
    opened = [i for i, child in enumerate(children[:2]) if child.type == "strong_open"]
    if not opened or any(child.content for child in children[: opened[0]]):
        return 0
    closed = next(i for i, child in enumerate(children) if child.type == "strong_close")
    bold = "".join(child.content for child in children[:closed])
    return closed + 1 if bold.endswith((".", ":")) else 0


def _block(line: int, kind: Kind, children: Sequence[Token]) -> Block:
    parts, codes, links = [], [], []
    for child in children:
        if child.type == "code_inline":
            parts.append(CODE)
            codes.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type == "link_open":
            links.append(str(child.attrGet("href")))
        elif child.type == "image":
            links.append(str(child.attrGet("src")))
        elif child.type == "text":
            parts.append(child.content)
    return Block(line, kind, "".join(parts), tuple(codes), tuple(links))


def anchors(text: str) -> set[str]:
    """The fragments by which a link may name a heading, as code hosts make them."""
    found = set()
    for token, content in zip(_PARSER.parse(text), _PARSER.parse(text)[1:], strict=False):
        if token.type == "heading_open":
            plain = re.sub(r"[`*]|\[|\]\([^)]*\)", "", content.content).lower()
            found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found
