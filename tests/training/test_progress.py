"""progress.py: bars, lines without a bar, and signals that wait for a checkpoint."""

import re
import signal
import threading

import pytest

from dffkit.training.progress import held_signals, training_bar


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    seconds = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: seconds[0])
    return seconds


def shown(clock, seconds, first, iterations, steps, bar=False):
    """Take steps of some seconds each."""
    with training_bar("mine/dff", first, iterations, bar) as progress:
        for _ in range(steps):
            clock[0] += seconds
            progress.set_postfix({"loss": "0.5000"}, refresh=False)
            progress.update()


def test_without_a_bar_a_line_now_and_then_says_where_the_training_is(clock, capsys):
    shown(clock, 20, 0, 2000, 20)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert lines[0] == "mine/dff: iteration 2 of 2000, about 11:06:00 left, loss=0.5000"
    assert len(lines) == 10


def test_short_trainings_have_no_lines(clock, capsys):
    shown(clock, 0.1, 100, 112, 12)
    assert capsys.readouterr().err == ""


def test_a_bar_in_a_file_is_written_seldom_and_at_the_end(clock, capsys):
    shown(clock, 1, 100, 200, 100, bar=True)
    assert re.findall(r"(\d+)/200", capsys.readouterr().err) == ["100", "130", "160", "190", "200"]


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
