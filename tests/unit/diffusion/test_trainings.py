"""Several trainings of one recipe: alike on any number of cores, and after any stop."""

import signal
from threading import Event

import numpy as np
import pytest
from small_training import CPU
from tqdm import tqdm

from kpop_rca.diffusion import trainer as diffusion_trainer
from kpop_rca.diffusion import trainings
from kpop_rca.errors import StudyError
from kpop_rca.study import params
from kpop_rca.system import parallel

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
SMALL = {"image_size": 16, "channels": [8, 16], "attention_size": 0, "train_steps": 20, "batch_size": 8, "seed": 3}
PARAMETERS = params.defaults() | SMALL | {"sample_grids": 1, "checkpoint_minutes": 60.0}


@pytest.fixture(autouse=True)
def in_pieces(monkeypatch):
    """As with the batches of a study, which are larger."""
    monkeypatch.setattr(diffusion_trainer, "PIXELS_OF_A_PIECE", 1)


def train(folder, faces, reset, n, **changed):
    reset(reset_partial_state=True)
    bar, curves = changed.pop("bar", tqdm), changed.pop("curves", None)
    how = {"n_classes": 3, "folder": folder, "device": CPU, "bar": bar, "curves": curves}
    return trainings.run_trainings(PARAMETERS | {"trainings": n} | changed, *faces, **how)


def weights(folder):
    return [(path / WEIGHTS).read_bytes() for path in trainings.training_folders(folder)]


def on_cores(monkeypatch, n):
    monkeypatch.setattr(parallel, "cores", lambda: n)


def test_on_any_number_of_cores_the_trainings_are_the_same(coloured_faces, tmp_path, fresh_accelerate, monkeypatch):
    logs = {}
    for cores in (1, 3):
        on_cores(monkeypatch, cores)
        logs[cores] = train(tmp_path / str(cores), coloured_faces, fresh_accelerate, 3, train_steps=12)
    assert weights(tmp_path / "1") == weights(tmp_path / "3")
    assert len(set(weights(tmp_path / "1"))) == 3
    assert logs[1].drop(columns="seconds").equals(logs[3].drop(columns="seconds"))
    assert logs[1]["training"].tolist() == [0, 0, 1, 1, 2, 2]


def test_the_first_of_several_is_the_single_one(coloured_faces, tmp_path, fresh_accelerate):
    """To the bit, where a thread of the single one has one core to itself."""
    with parallel.one_thread(CPU):
        train(tmp_path / "one", coloured_faces, fresh_accelerate, 1)
    train(tmp_path / "two", coloured_faces, fresh_accelerate, 2)
    assert weights(tmp_path / "two")[:1] == weights(tmp_path / "one")
    grids = [diffusion_trainer.load_grids(folder) for folder in trainings.training_folders(tmp_path / "two")]
    assert [list(grid) for grid in grids] == [[20], []]


def test_the_seed_of_a_training_is_its_own():
    found = [trainings.seed_of(number, seed=seed) for seed in (0, 1) for number in range(3)]
    assert len(set(found)) == 6
    assert found[0] == 0
    assert found[3] == 1


def test_the_folders_are_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2, 0):
        trainings.training_folder(tmp_path, number).mkdir()
    assert [path.name for path in trainings.training_folders(tmp_path)] == ["training_0", "training_2", "training_10"]


class Interrupts(tqdm):
    """A bar of all trainings, during whose second line Ctrl-C comes."""

    def update(self, n=1):
        super().update(n)
        if self.n == 2 * diffusion_trainer.LOG_EVERY:
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_saves_each_training_and_all_go_on(heard, coloured_faces, tmp_path, fresh_accelerate):
    whole = train(tmp_path / "whole", coloured_faces, fresh_accelerate, 2)
    with pytest.raises(KeyboardInterrupt, match="which is saved"):
        train(tmp_path / "stopped", coloured_faces, fresh_accelerate, 2, bar=Interrupts)
    left = sorted((tmp_path / "stopped").glob("*/checkpoint_*"))
    assert [path.parent.name for path in left] == ["training_0", "training_1"]
    resumed = train(tmp_path / "stopped", coloured_faces, fresh_accelerate, 2)
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")
    assert resumed["loss"].tolist() == whole["loss"].tolist()


def test_a_training_that_fails_is_told_and_the_others_are_saved(
    coloured_faces, tmp_path, fresh_accelerate, monkeypatch
):
    log, failing = diffusion_trainer.Trainer._log, trainings.training_folder(tmp_path, 1)

    def fails(self, done, losses, *, seconds):
        if self.folder == failing and done == 20:
            losses = [loss * float("nan") for loss in losses]
        log(self, done, losses, seconds=seconds)

    monkeypatch.setattr(diffusion_trainer.Trainer, "_log", fails)
    with pytest.raises(StudyError, match="the loss is nan at step 11"):
        train(tmp_path, coloured_faces, fresh_accelerate, 3, train_steps=40)
    assert [path.parent.name for path in sorted(tmp_path.glob("*/checkpoint_*"))] == ["training_0", "training_2"]


def test_each_training_has_its_curves_and_earlier_ones_are_gone(coloured_faces, tmp_path, fresh_accelerate):
    (tmp_path / "curves" / "training_7").mkdir(parents=True)
    train(tmp_path / "ddpm", coloured_faces, fresh_accelerate, 2, curves=tmp_path / "curves")
    assert sorted(path.name for path in (tmp_path / "curves").iterdir()) == ["training_0", "training_1"]


def test_work_takes_turns_so_that_all_end_together(monkeypatch):
    on_cores(monkeypatch, 2)
    works, seen = [iter(range(n)) for n in (4, 4, 4)], []
    for number, _ in parallel.in_turns(works, stopping=Event()):
        seen.append(number)
        counts = np.bincount(seen, minlength=3)
        assert counts.max() - counts.min() <= 2
    assert counts.tolist() == [4, 4, 4]


@pytest.mark.parametrize("stem", ["pixels", "space_to_depth"])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("prediction", ["eps", "v", "flow"])
def test_trainings_give_the_same_to_the_bit_again(
    coloured_faces, tmp_path, fresh_accelerate, prediction, optimizer, stem
):
    how = {"prediction": prediction, "optimizer": optimizer, "stem": stem, "train_steps": 3}
    for again in ("one", "two"):
        train(tmp_path / again, coloured_faces, fresh_accelerate, 2, **how)
    assert weights(tmp_path / "one") == weights(tmp_path / "two")
