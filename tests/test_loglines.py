"""Lines that repeat: the first are written, the others counted and told, and nothing grows without bound."""

import io
import logging
import threading
from collections.abc import Iterator

import pytest

from worker.engine.loglines import (
    EXAMPLE_CHARACTERS,
    LINES,
    OTHERS,
    TEMPLATE_CHARACTERS,
    WINDOW_S,
    LimitedHandler,
    Limiter,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(clock: Clock, output: io.StringIO) -> Iterator[logging.Logger]:
    """A logger of its own, whose parent's handler is limited."""
    parent = logging.getLogger("limited")
    handler = LimitedHandler(output, Limiter(clock, kinds_max=10))
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    parent.addHandler(handler)
    parent.propagate = False
    yield parent.getChild("aiokafka")
    parent.removeHandler(handler)
    handler.close()


def lines(output: io.StringIO) -> list[str]:
    return output.getvalue().splitlines()


def test_the_first_lines_of_a_kind_are_written_and_the_others_told(
    log: logging.Logger, clock: Clock, output: io.StringIO
) -> None:
    for attempt in range(1_000):
        log.error("Unable connect to node with id %s: attempt %d", 1, attempt)
        clock.now_s += 0.05
    assert lines(output) == [
        f"ERROR limited.aiokafka: Unable connect to node with id 1: attempt {n}" for n in range(LINES)
    ]
    clock.now_s += WINDOW_S
    log.error("Unable connect to node with id %s: attempt %d", 1, 1_000)
    assert lines(output)[LINES:] == [
        "ERROR limited.aiokafka: 995 more of these left out in the last 110 s, the last one: "
        "Unable connect to node with id 1: attempt 999",
        "ERROR limited.aiokafka: Unable connect to node with id 1: attempt 1000",
    ]


def test_loggers_and_templates_count_apart(log: logging.Logger, output: io.StringIO) -> None:
    for _ in range(LINES + 1):
        log.warning("one")
        log.warning("another")
        log.getChild("consumer").warning("one")
    assert len(lines(output)) == 3 * LINES


def test_texts_that_differ_in_numbers_alone_are_of_one_kind(log: logging.Logger, output: io.StringIO) -> None:
    for attempt in range(100):
        log.warning(f"attempt {attempt}")
    assert len(lines(output)) == LINES


def test_texts_that_never_repeat_are_bounded_too(log: logging.Logger, clock: Clock, output: io.StringIO) -> None:
    limiter = Limiter(clock, kinds_max=10)
    words = [f"{'x' * (number + 1)}" for number in range(1_000)]
    records = [logging.LogRecord("aiokafka", logging.INFO, "", 0, word, (), None) for word in words]
    assert sum(map(limiter.admits, records)) == 10 + LINES
    assert len(limiter) == 11
    assert OTHERS in limiter._windows
    assert all(len(window.example) <= EXAMPLE_CHARACTERS for window in limiter._windows.values())


def test_long_texts_are_bounded_too(clock: Clock) -> None:
    limiter = Limiter(clock)
    for word in "abc":
        limiter.admits(logging.LogRecord("aiokafka", logging.INFO, "", 0, word * 1_000_000, (), None))
    assert all(len(template) <= TEMPLATE_CHARACTERS for _, template in limiter._windows)


def test_a_message_that_cannot_be_told_ends_nothing(log: logging.Logger, output: io.StringIO) -> None:
    class Untold(Exception):
        def __str__(self) -> str:
            raise ValueError("this has no words")

    logging.raiseExceptions, before = False, logging.raiseExceptions
    try:
        for _ in range(LINES + 1):
            log.error(Untold())
        log.critical("the end")
    finally:
        logging.raiseExceptions = before
    assert lines(output)[0].endswith("1 more of these left out in the last 0 s, the last one: Untold")


def test_what_is_critical_is_always_written_and_last(log: logging.Logger, output: io.StringIO) -> None:
    for _ in range(LINES + 3):
        log.error("broken")
    for _ in range(LINES + 3):
        log.critical("the worker stops")
    assert lines(output)[LINES:] == [
        "ERROR limited.aiokafka: 3 more of these left out in the last 0 s, the last one: broken",
        *["CRITICAL limited.aiokafka: the worker stops"] * (LINES + 3),
    ]


def test_what_is_critical_is_admitted_however_often_it_comes(clock: Clock) -> None:
    limiter = Limiter(clock)
    record = logging.LogRecord("worker", logging.CRITICAL, "", 0, "the worker stops", (), None)
    assert all(limiter.admits(record) for _ in range(2 * LINES))


def test_a_handler_that_closes_tells_what_it_left_out(log: logging.Logger, output: io.StringIO) -> None:
    for _ in range(LINES + 7):
        log.error("broken")
    logging.getLogger("limited").handlers[0].close()
    assert "7 more of these left out" in lines(output)[-1]


def test_a_flood_that_has_ended_is_told_by_the_thread(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, output: io.StringIO
) -> None:
    told = threading.Event()

    class Output(io.StringIO):
        def write(self, text: str) -> int:
            if "more of these" in text:
                told.set()
            return super().write(text)

    monkeypatch.setattr("worker.engine.loglines.SWEEP_S", 0.01)
    handler = LimitedHandler(Output(), Limiter(clock))
    for _ in range(LINES + 2):
        handler.handle(logging.LogRecord("aiokafka", logging.ERROR, "", 0, "broken", (), None))
    clock.now_s += WINDOW_S
    handler.start()
    assert told.wait(10)


def test_a_template_that_does_not_fit_its_arguments_ends_nothing(log: logging.Logger, output: io.StringIO) -> None:
    logging.raiseExceptions, before = False, logging.raiseExceptions
    template = "no place for %d"
    try:
        for _ in range(LINES + 1):
            log.error(template, "this", "or that")
        log.critical("the end")
    finally:
        logging.raiseExceptions = before
    assert lines(output)[0].endswith("1 more of these left out in the last 0 s, the last one: no place for %d")
