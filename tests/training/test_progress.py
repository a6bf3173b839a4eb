"""progress.py: lines without a bar, the estimate of the rest, and signals that wait for a checkpoint."""

import signal
import threading

import pytest

from dffkit.training import progress
from dffkit.training.progress import Progress, held_signals


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    seconds = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: seconds[0])
    return seconds


def test_without_a_bar_a_line_a_minute_says_where_the_training_is(clock, capsys):
    shown = Progress("mine/dff", 0, 2000, bar=False)
    for iteration in range(1, 21):
        clock[0] += 20
        shown.update(iteration, {"loss": "0.5000"})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "mine/dff: iteration 3 of 2000, loss 0.5000"
    assert "mine/dff: about 663 min at the rate of the first 10 iterations" in lines
    assert len(lines) == 20 // 3 + 1


def test_short_trainings_have_no_estimate(clock, capsys):
    shown = Progress("mine/dff", 100, 112, bar=False)
    for iteration in range(101, 113):
        clock[0] += 0.1
        shown.update(iteration, {})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_held_and_the_second_takes_effect(number):
    def former(*_):
        raise KeyboardInterrupt

    before = signal.signal(number, former)
    try:
        with held_signals() as held:
            signal.raise_signal(number)
            assert held == [number]
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        with held_signals():
            assert signal.getsignal(number) is not former
        assert signal.getsignal(number) is former
        signal.signal(number, signal.SIG_IGN)  # as in a shell's background
        with held_signals() as held:
            signal.raise_signal(number)
            assert held == []
    finally:
        signal.signal(number, before)


def test_in_another_thread_nothing_is_held():
    found = []

    def hold():
        with held_signals() as held:
            found.append((held, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=hold)
    before = signal.getsignal(signal.SIGINT)
    thread.start()
    thread.join()
    assert found == [([], before)]
