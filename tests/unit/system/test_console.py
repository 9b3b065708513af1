"""Bars that speak in a batch run, and interrupts that wait, as a shell and a kernel see them."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from kpop_rca.system import console

SLOW_WORK = """
import sys, time
from kpop_rca.system import console
console.LINE_EVERY = 0.05
for _ in console.bar(range(4), desc="drawing", unit="batch"):
    time.sleep(0.1)
"""


def ran(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
    )


def said_by(code):
    """The lines that reach the terminal of a batch run past tqdm's own bar."""
    said = ran(code, **{console.BATCH: "quick 05"}).stderr
    return [line.partition("quick 05  ")[2] for line in said.splitlines() if "quick 05  " in line]


def test_a_batch_run_is_told_where_a_bar_stands():
    lines = said_by(SLOW_WORK)
    assert len(lines) >= 3
    assert all("drawing:" in line and "/4 [" in line and "batch" in line for line in lines)
    assert any(" 50%" in line and " 2/4" in line for line in lines)


def test_elsewhere_a_bar_says_nothing_of_its_own():
    said = ran(SLOW_WORK, **{console.BATCH: ""}).stderr
    assert "%" in said and "quick 05" not in said  # tqdm's own


def test_a_bar_that_is_soon_done_says_nothing():
    assert said_by(SLOW_WORK.replace("LINE_EVERY = 0.05", "LINE_EVERY = 30")) == []


def test_of_two_bars_the_inner_one_speaks_too():
    nested = SLOW_WORK.replace("time.sleep(0.1)", "list(time.sleep(0.1) for _ in console.bar(range(3), desc='inner'))")
    assert any(line.startswith("inner:") and "/3 [" in line for line in said_by(nested))


def test_a_bar_that_is_off_says_nothing():
    off = SLOW_WORK.replace('unit="batch"', 'unit="batch", disable=True')
    assert ran(off, **{console.BATCH: "quick 05"}).stderr == ""


def test_an_interrupt_waits_until_it_is_asked_for(heard, capsys):
    with console.interrupts_wait() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
    assert "interrupt again" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):  # as before, once the block has ended
        signal.raise_signal(signal.SIGINT)


def test_what_a_cluster_sends_waits_too_and_an_interrupt_on_top_of_it_is_not_the_second(heard):
    before = signal.getsignal(signal.SIGTERM)
    with console.interrupts_wait() as interrupted:
        signal.raise_signal(signal.SIGTERM)
        assert interrupted()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("number", console.SIGNALS)
def test_a_second_interrupt_does_not_wait(heard, number):
    with pytest.raises(KeyboardInterrupt), console.interrupts_wait():
        signal.raise_signal(number)
        signal.raise_signal(number)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_in_another_thread_nothing_waits():
    found = []

    def work():
        with console.interrupts_wait() as interrupted:
            found.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
