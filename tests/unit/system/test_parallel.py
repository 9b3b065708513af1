"""Work shared among processes: its order, its errors, and how many there may be."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Barrier, get_ident

import pytest
import torch

from kpop_rca.errors import StudyError
from kpop_rca.system import parallel


@pytest.mark.parametrize("threads", [False, True])
def test_results_come_in_the_order_of_the_items(threads: bool) -> None:
    items = list(range(-5, 5))
    assert list(parallel.in_order(abs, items, workers=2, chunk=3, threads=threads)) == [abs(i) for i in items]
    assert list(parallel.in_order(abs, [], workers=2, threads=threads)) == []


def test_the_work_is_done_in_other_processes() -> None:
    ours = os.getpid()
    assert set(parallel.in_order(eval, ["__import__('os').getpid()"] * 2, workers=1)) == {ours}
    assert ours not in set(parallel.in_order(eval, ["__import__('os').getpid()"] * 2, workers=2))


def test_a_plain_script_may_ask_for_processes(tmp_path: Path) -> None:
    """Without `if __name__ == "__main__"`, by which a script is usually kept from being run again in each of them."""
    script = tmp_path / "script.py"
    script.write_text(
        "from kpop_rca.system import parallel\n"
        "print(list(parallel.in_order(abs, [-1, 2], workers=2)), __file__ is not None)\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (run.stdout, run.returncode) == ("[1, 2] True\n", 0), run.stderr


def test_what_goes_wrong_in_a_process_is_told() -> None:
    with pytest.raises(ValueError, match=r"invalid literal for int.*'two'"):
        list(parallel.in_order(int, ["1", "two", "3"], workers=2))


def test_a_process_that_dies_is_an_error_with_a_remedy() -> None:
    with pytest.raises(StudyError, match=r"one of 2 worker processes was ended from outside.*OMP_NUM_THREADS"):
        list(parallel.in_order(os._exit, [3, 3], workers=2))


def test_cores_are_those_that_everyone_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert parallel.cores() == 6
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert parallel.cores() == 4
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert parallel.cores() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    assert parallel.cores() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")  # nested, as OpenMP has it: torch knows
    assert parallel.cores() == 3


def test_what_runs_side_by_side_has_a_core_each_and_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 3)
    meeting = Barrier(3, timeout=30)  # passed by three threads at once, or not at all

    def work(item: int) -> tuple[int, int]:
        meeting.wait()
        return item, torch.get_num_threads()

    before = torch.get_num_threads()
    results = list(parallel.a_core_each(work, range(9), device=torch.device("cpu")))
    assert results == [(item, 1) for item in range(9)]
    assert torch.get_num_threads() == before


def test_one_thread_on_a_cpu_and_as_many_as_before_behind_it() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with pytest.raises(KeyError), parallel.one_thread(torch.device("cpu")):
            assert torch.get_num_threads() == 1
            raise KeyError
        with parallel.one_thread(torch.device("cuda")):
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_gpu_that_is_named_without_its_number_is_fed_by_one_thread() -> None:
    """As `devices.choose` names it; PyTorch refuses to make such a one a thread's own."""
    threads = parallel.a_core_each(lambda _: get_ident(), range(4), device=torch.device("cuda"))
    assert len(set(threads) - {get_ident()}) == 1


def test_little_is_begun_ahead_of_what_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    begun = []
    results = parallel.a_core_each(begun.append, range(100), device=torch.device("cpu"))
    next(results)
    results.close()
    assert len(begun) <= 4


def test_pieces_come_in_their_order_whatever_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, threads in ((1, 1), (2, 1), (8, 4)):
        monkeypatch.setattr(parallel, "cores", lambda cores=cores: cores)
        with parallel.sharing_the_cores(2) as pool:
            assert list(pool.map(lambda piece: (piece, torch.get_num_threads()), range(2))) == [
                (0, threads),
                (1, threads),
            ]
