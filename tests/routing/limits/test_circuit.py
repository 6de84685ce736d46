"""The circuit's arithmetic, second by second."""

from routing.limits.circuit import Circuit


def fed(*outcomes: tuple[float, bool]) -> Circuit:
    circuit = Circuit()
    for now, ok in outcomes:
        circuit.record(now, ok=ok)
    return circuit


def opened(at: float = 100.0) -> Circuit:
    circuit = fed(*((at, False) for _ in range(5)))
    assert circuit.until == at + 15
    return circuit


def test_five_failures_open_it_and_four_do_not() -> None:
    assert fed(*((100.0 + no, False) for no in range(4))).until is None
    assert fed(*((100.0 + no, False) for no in range(5))).until == 119.0


def test_a_minority_of_failures_does_not() -> None:
    mixed = [(100.0 + no, no % 3 == 0) for no in range(20)]
    assert fed(*mixed[:7]).until is None
    healthy = [(100.0 + no / 10, no % 4 != 0) for no in range(100)]
    assert fed(*healthy).until is None


def test_old_failures_are_forgotten() -> None:
    slow = [(100.0 + 10 * no, False) for no in range(20)]
    assert fed(*slow).until is None


def test_a_success_never_opens_it() -> None:
    circuit = fed(*((100.0, True) for _ in range(5)), *((100.0, False) for _ in range(4)))
    assert circuit.record(100.0, ok=True) is False
    assert circuit.until is None


def test_late_outcomes_prove_nothing() -> None:
    circuit = opened()
    assert circuit.record(110.0, ok=True) is False
    assert circuit.record(110.0, ok=False) is False
    assert circuit.until == 115.0


def test_a_successful_trial_closes_it_and_it_starts_afresh() -> None:
    circuit = opened()
    assert circuit.record(115.0, ok=True) is True
    assert circuit.until is None
    for _ in range(4):
        assert circuit.record(116.0, ok=False) is False
    assert circuit.record(116.0, ok=False) is True
    assert circuit.until == 131.0


def test_each_failed_trial_doubles_the_wait_up_to_two_minutes() -> None:
    circuit, waits = opened(), []
    for _ in range(5):
        now = circuit.until or 0.0
        assert circuit.record(now, ok=False) is True
        waits.append((circuit.until or 0.0) - now)
    assert waits == [30.0, 60.0, 120.0, 120.0, 120.0]


def test_what_another_process_opened_is_tried_here_too() -> None:
    circuit = Circuit()
    circuit.adopt(130.0)
    assert circuit.record(120.0, ok=True) is False
    assert circuit.record(130.0, ok=True) is True
    assert circuit.until is None
