"""Bars that speak in a batch run, and interrupts that wait, as a shell and a kernel see them."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from kpop_rca import watch

SLOW_WORK = """
import sys, time
from kpop_rca import watch
watch.LINE_EVERY = 0.05
for _ in watch.bar(range(4), desc="drawing", unit="batch"):
    time.sleep(0.1)
"""


def ran(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
    )


def test_a_batch_run_is_told_where_a_bar_stands():
    lines = [line for line in ran(SLOW_WORK, **{watch.BATCH: "quick 05"}).stderr.splitlines() if "quick 05" in line]
    assert len(lines) >= 3
    assert all("drawing:" in line and "/4 [" in line and "batch" in line for line in lines)
    assert any(" 50% 2/4" in line or " 75% 3/4" in line for line in lines)


def test_elsewhere_a_bar_says_nothing_of_its_own():
    assert "%" in ran(SLOW_WORK, **{watch.BATCH: ""}).stderr  # tqdm's
    assert "drawing:   0% 0/4 [" not in ran(SLOW_WORK, **{watch.BATCH: ""}).stderr


def test_the_lines_end_with_the_bar():
    after = SLOW_WORK + "sys.stderr.write('END\\n'); sys.stderr.flush(); time.sleep(0.3)"
    ended = ran(after, **{watch.BATCH: "quick 05"}).stderr.partition("END\n")[2]
    assert ended == ""


def test_of_two_bars_the_inner_one_speaks():
    nested = SLOW_WORK.replace("time.sleep(0.1)", "list(time.sleep(0.1) for _ in watch.bar(range(3), desc='inner'))")
    lines = [line for line in ran(nested, **{watch.BATCH: "quick 05"}).stderr.splitlines() if "/3 [" in line]
    assert any(line.startswith("quick 05  inner:") for line in lines)


def test_a_bar_that_is_off_says_nothing():
    off = SLOW_WORK.replace('unit="batch"', 'unit="batch", disable=True')
    assert ran(off, **{watch.BATCH: "quick 05"}).stderr == ""


def test_an_interrupt_waits_until_it_is_asked_for(heard, capsys):
    with watch.interrupts_wait() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
    assert "interrupt again" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):  # as before, once the block has ended
        signal.raise_signal(signal.SIGINT)


def test_what_a_cluster_sends_waits_too_and_an_interrupt_on_top_of_it_is_not_the_second(heard):
    before = signal.getsignal(signal.SIGTERM)
    with watch.interrupts_wait() as interrupted:
        signal.raise_signal(signal.SIGTERM)
        assert interrupted()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("number", watch.SIGNALS)
def test_a_second_interrupt_does_not_wait(heard, number):
    with pytest.raises(KeyboardInterrupt), watch.interrupts_wait():
        signal.raise_signal(number)
        signal.raise_signal(number)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_in_another_thread_nothing_waits():
    found = []

    def work():
        with watch.interrupts_wait() as interrupted:
            found.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
