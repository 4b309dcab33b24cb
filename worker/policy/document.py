"""A policy file as YAML nodes that remember where they stand, read with limits.

Only plain YAML is taken: no anchors, aliases, merge keys, tags or second documents, so a small file cannot become a
large value and a reader sees all there is. Every reader below notes what is wrong and goes on, so that an author
learns of every problem at once.
"""

import re
from collections.abc import Iterable

import yaml

from worker.audit.characters import SPACES
from worker.policy.compile import CompileError, Program, compile_expression, parse_duration
from worker.policy.model import Problem

FILE_BYTES_MAX = 256 * 1024
DEPTH_MAX = 12
TEXT_CHARS_MAX = 500
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)


class Missing(Exception):
    """A value that is needed is absent or wrong; its problem has been noted, the caller skips what needed it."""


class Document:
    """One file being read: its text, its name, and the problems found so far."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.rule = ""
        self.lines = text.splitlines()

    def note(self, node: yaml.Node | None, what: str, *, line: int = 0, column: int = 0) -> Missing:
        """Keep a problem at a node, `line` and `column` counted from the node's own first character."""
        if node is not None:
            line, column = node.start_mark.line + 1 + line, node.start_mark.column + 1 + column
        self.problems.append(Problem(self.file, line or 1, column or 1, self.rule, what))
        return Missing(what)

    # --- mappings and lists ---

    def mapping(self, node: yaml.Node, what: str, known: Iterable[str]) -> dict[str, yaml.Node]:
        """The entries of a mapping; unknown and repeated keys are noted."""
        entries = self.open_mapping(node, what)
        names = tuple(known)
        for key, value in entries.items():
            if key not in names:
                self.note(value, f"unknown key '{key}' in {what}, expected one of {', '.join(names)}")
        return entries

    def open_mapping(self, node: yaml.Node, what: str) -> dict[str, yaml.Node]:
        """The entries of a mapping with any keys; a repeated key is noted and its first value kept."""
        if not isinstance(node, yaml.MappingNode):
            raise self.note(node, f"{what} must be a mapping, is {_kind(node)}")
        entries: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.note(key, f"a key in {what} must be a word, is {_kind(key)}")
            elif key.value in entries:
                first = entries[key.value].start_mark.line + 1
                self.note(key, f"key '{key.value}' stands twice in {what} (first on line {first}); remove one")
            else:
                entries[key.value] = value
        return entries

    def need(self, entries: dict[str, yaml.Node], key: str, parent: yaml.Node, what: str) -> yaml.Node:
        """The entry `key`, which must be there."""
        if key not in entries:
            raise self.note(parent, f"{what} lacks '{key}'; add it")
        return entries[key]

    def sequence(self, node: yaml.Node, what: str, most: int) -> list[yaml.Node]:
        """The items of a list."""
        if not isinstance(node, yaml.SequenceNode):
            raise self.note(node, f"{what} must be a list, is {_kind(node)}")
        if len(node.value) > most:
            raise self.note(node, f"{what} has {len(node.value)} items, at most {most} are allowed")
        return list(node.value)

    # --- scalars ---

    def text(self, node: yaml.Node, what: str, most: int = TEXT_CHARS_MAX) -> str:
        """A text that is not empty."""
        if not isinstance(node, yaml.ScalarNode) or node.tag.endswith(":null"):
            raise self.note(node, f"{what} must be a text, is {_kind(node)}")
        value = str(node.value).strip(SPACES)
        if not value or len(value) > most:
            raise self.note(node, f"{what} must have 1 to {most} characters, has {len(value)}")
        return value

    def matching(self, node: yaml.Node, what: str, pattern: re.Pattern[str], expected: str) -> str:
        """A text of a given form."""
        value = self.text(node, what)
        if pattern.fullmatch(value) is None:
            raise self.note(node, f"bad {what} '{value}', expected {expected}")
        return value

    def choice(self, node: yaml.Node, what: str, allowed: Iterable[str]) -> str:
        """One of several words."""
        value = self.text(node, what)
        words = tuple(allowed)
        if value not in words:
            raise self.note(node, f"unknown {what} '{value}', expected one of {', '.join(words)}")
        return value

    def integer(self, node: yaml.Node, what: str, least: int, most: int) -> int:
        """A whole number within bounds."""
        if not isinstance(node, yaml.ScalarNode) or _INTEGER.fullmatch(node.value) is None or node.style:
            raise self.note(node, f"{what} must be a whole number, is {_kind(node)}")
        value = int(node.value)
        if not least <= value <= most:
            raise self.note(node, f"{what} must be from {least} to {most}, is {value}")
        return value

    def duration_ms(self, node: yaml.Node, what: str) -> int:
        """A duration such as 30m."""
        value = self.text(node, what)
        found = parse_duration(value)
        if found is None:
            raise self.note(node, f"bad {what} '{value}', expected a duration such as 90s, 30m, 2h or 30d")
        return found

    def expression(self, node: yaml.Node, what: str) -> Program:
        """A compiled CEL condition; an error points into the file."""
        text = self.text(node, what, 10_000)
        assert isinstance(node, yaml.ScalarNode)
        try:
            return compile_expression(node.value)
        except CompileError as error:
            line, column = self._within(node, error)
            self.problems.append(
                Problem(self.file, line, column, self.rule, f"{what}: {error} (in: {text.splitlines()[0][:80]})")
            )
            raise Missing(what) from None

    def _within(self, node: yaml.ScalarNode, error: CompileError) -> tuple[int, int]:
        start = node.start_mark
        if node.style == "|":
            line = start.line + 1 + error.line
            source = self.lines[line - 1] if line <= len(self.lines) else ""
            return line, len(source) - len(source.lstrip()) + error.column
        if node.style == ">" or error.line > 1 or node.end_mark.line != start.line:
            return start.line + 1, start.column + 1
        return start.line + 1, start.column + error.column + (1 if node.style else 0)

    # --- the whole ---

    def compose(self, text: str) -> yaml.Node:
        """The file's root node."""
        if len(text.encode()) > FILE_BYTES_MAX:
            raise self.note(None, f"the file has {len(text.encode())} bytes, at most {FILE_BYTES_MAX} are allowed")
        try:
            self._check_plain(text)
            node = yaml.compose(text, Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise self.note(
                None, f"not YAML: {error.problem}; check indentation and quotes", line=line, column=column
            ) from None
        except yaml.YAMLError as error:
            raise self.note(None, f"not YAML: {str(error).splitlines()[0]}") from None
        if node is None:
            raise self.note(None, "the file is empty, expected a policy")
        return node

    def _check_plain(self, text: str) -> None:
        depth = documents = 0
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            tag = getattr(event, "tag", None)
            wrong = ""
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                wrong = "anchors and aliases are not allowed; write the value out"
            elif isinstance(event, yaml.ScalarEvent) and event.value == "<<" and not event.style:
                wrong = "merge keys are not allowed; write the values out"
            elif tag:
                wrong = f"tags such as {tag} are not allowed; write a plain value"
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                wrong = "a file holds one policy; put the second into its own file" if documents > 1 else ""
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                wrong = f"nested deeper than {DEPTH_MAX}" if depth > DEPTH_MAX else ""
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            mark = event.start_mark
            if wrong and mark:
                raise self.note(None, wrong, line=mark.line + 1, column=mark.column + 1)


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return f"'{str(node.value)[:40]}'" if node.value else "empty"
