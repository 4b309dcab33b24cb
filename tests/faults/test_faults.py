"""Every fault of the table on a real Kafka, three seeds each; `make faults SEEDS=20` runs more and longer."""

import pytest

from tests.faults.lanes import Lanes
from tests.faults.results import Result
from tests.faults.scenario import Fault
from tests.faults.table import FAULTS

JOBS = 3
SEEDS = range(3)


@pytest.fixture(scope="module")
def ran(request: pytest.FixtureRequest) -> dict[tuple[str, int], Result]:
    """Those faults that the run has chosen, side by side, before the first of them is looked at."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = [
        (call.params["fault"], call.params["seed"]) for call in calls if call is not None and "fault" in call.params
    ]
    found: dict[tuple[str, int], Result] = {}
    Lanes(lambda result: found.update({(result.fault, result.seed): result}), long=False).run(chosen, JOBS)
    return found


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    # One that compares times says something only on a machine that does nothing else: `make faults` runs it.
    "fault",
    [fault for fault in FAULTS if not fault.alone],
    ids=lambda fault: fault.run.__name__,
)
def test_the_worker_survives_a_fault(fault: Fault, seed: int, ran: dict[tuple[str, int], Result]) -> None:
    result = ran[fault.run.__name__, seed]
    assert result.passed, result.failure
