"""How long a shutdown may take: long where a broker answers, not long where none does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.transport_app import RecordingHooks
from worker.lab.mockcluster import MockCluster
from worker.settings import load_settings
from worker.transport import TransportSettings
from worker.transport.hooks import Attachment
from worker.transport.reach import any_broker_answers
from worker.transport.shutdown import ASK_AFTER_S, GONE_S, BrokerGoneError, DeadlineError, KillDeadline


class Clock:
    """Goes on by a second whenever it is asked."""

    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


@dataclass
class Stopping:
    """An app that was asked to stop (`worker.transport.protocols.StoppingApp`)."""

    should_stop: bool = True
    _shutdown: threading.Event = field(default_factory=threading.Event)


def cut_short(
    answers: Callable[[], bool] | None,
    acknowledges: Callable[[Attachment], None] = lambda _: None,
    ends: Callable[[float], bool] = lambda _: False,
) -> tuple[BaseException | None, float]:
    """Why a shutdown was cut short, if it was, and after how many seconds."""
    hooks, clock, app = RecordingHooks(frozenset()), Clock(), Stopping()
    attachment = Attachment(hooks, TransportSettings(), clock, None)

    def asked() -> bool:
        acknowledges(attachment)
        if ends(clock.now_s):
            app._shutdown.set()
        return answers is not None and answers()

    attachment.answers = None if answers is None else asked
    KillDeadline(app, attachment, poll_s=0).run()
    return (hooks.problems[0] if hooks.problems else None), clock.now_s


def test_without_a_broker_it_ends_within_seconds() -> None:
    problem, took_s = cut_short(lambda: False)
    assert isinstance(problem, BrokerGoneError)
    assert GONE_S < took_s < GONE_S + 5


def test_a_broker_that_answers_gets_the_whole_time() -> None:
    problem, took_s = cut_short(lambda: True)
    assert isinstance(problem, DeadlineError)
    assert took_s > TransportSettings().shutdown_timeout_s


def test_where_nobody_can_ask_the_deadline_is_all() -> None:
    assert isinstance(cut_short(None)[0], DeadlineError)


def test_a_broker_that_acknowledges_is_not_gone_whatever_its_address_says() -> None:
    def acknowledges(attachment: Attachment) -> None:
        attachment.acknowledged_s = attachment.clock()

    assert isinstance(cut_short(lambda: False, acknowledges)[0], DeadlineError)


def test_a_shutdown_that_ends_is_not_cut_short() -> None:
    assert cut_short(lambda: False, ends=lambda now_s: now_s > ASK_AFTER_S + 2)[0] is None


# ---- who answers


def answers(bootstrap: str) -> bool:
    return any_broker_answers(load_settings({"STREAM_AUDIT_BROKERS": bootstrap}))


def test_one_broker_of_several_is_enough() -> None:
    with MockCluster() as cluster:
        assert answers(f"127.0.0.1:1,{cluster.bootstrap}")


def test_a_closed_port_is_no_answer() -> None:
    assert not answers("127.0.0.1:1")


def test_a_connection_without_a_word_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not answers(f"127.0.0.1:{listener.getsockname()[1]}")


def test_a_connection_that_is_closed_at_once_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take_and_close() -> None:
            listener.accept()[0].close()

        closing = threading.Thread(target=take_and_close)
        closing.start()
        assert not answers(f"127.0.0.1:{listener.getsockname()[1]}")
        closing.join()
