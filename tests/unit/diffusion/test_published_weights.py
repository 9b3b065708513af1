"""Weights as they are published: what comes back, and what is refused."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from small_published import LOG, begun, cropped, network, train
from small_training import sampled

from kpop_rca.diffusion import trainer
from kpop_rca.diffusion.published_weights import RECORD, WEIGHTS, PublishedWeights, publish
from kpop_rca.diffusion.unet import load_unet
from kpop_rca.errors import StudyError
from kpop_rca.faces import crops
from kpop_rca.study import given, manifests, params, paths


@pytest.fixture
def published(output):
    """The folder of published weights of `smoke`, and the study's own training."""
    with cropped():
        trained = train()
        publish("smoke", output / "weights")
        yield output / "weights", trained


def test_the_same_network_comes_back_up_to_rounding(published):
    folder, trained = published
    unet, forward = PublishedWeights.read(str(folder)).load()
    before = load_unet(trained / trainer.UNET).state_dict()
    assert unet.state_dict().keys() == before.keys()
    for name, weight in unet.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, before[name].bfloat16().float())
    assert forward.config.prediction_type == "flow_prediction"
    assert not unet.training


def test_what_is_unpacked_generates_the_same_images_every_time(published, tmp_path):
    folder, _ = published
    found = PublishedWeights.read(str(folder))
    found.unpack(tmp_path)
    generated = [
        sampled(unet, forward, labels=[0, 3], indices=[0, 1], guidance=0.5)
        for unet, forward in [
            found.load(),
            trainer.load_trained(tmp_path / "training_0", torch.device("cpu")),
            trainer.load_trained(tmp_path / "training_0", torch.device("cpu")),
        ]
    ]
    assert np.array_equal(generated[1], generated[2])
    assert np.abs(generated[0].astype(int) - generated[1]).max() <= 1  # in another memory format
    assert list(trainer.load_grids(tmp_path / "training_0")) == [24]
    pd.testing.assert_frame_equal(found.log, LOG.assign(training=0))


def test_it_says_which_training_it_stands_for(published):
    found = PublishedWeights.of_study(str(published[0]), study="smoke")
    faces = crops.load_crops(manifests.folder_of("smoke", "faces"), size=32, split="train")
    assert "training of smoke: 24 steps in 2 seconds" in found.about(*faces)
    assert "faces are those above" in found.about(*faces)
    assert "differ in some pixels from those above" in found.about(faces[0][::-1], faces[1])


def exchange(path):
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")


FLAWS = {
    rf"is altered: {WEIGHTS} \(other contents\)": lambda folder: exchange(folder / WEIGHTS),
    rf"is altered: {trainer.LOG} \(gone\)": lambda folder: (folder / trainer.LOG).unlink(),
    rf"holds no published weights, {RECORD} is missing": lambda folder: (folder / RECORD).unlink(),
    "which is no folder": shutil.rmtree,
}


@pytest.mark.parametrize(("said", "spoil"), FLAWS.items(), ids=["other", "gone", "no record", "no folder"])
def test_weights_that_are_not_as_published_are_refused(published, said, spoil):
    spoil(published[0])
    with pytest.raises(StudyError, match=said) as found:
        PublishedWeights.read(str(published[0]))
    assert "\n" not in str(found.value)
    assert "weights to ''" in str(found.value)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("n_identities=5", "was trained where n_identities is 4, and here it is 5; set it to 4"),
        ("seed=1", "was trained where seed is 0, and here it is 1"),
        ("channels=[16, 48]", r"was trained where channels is \[16, 32\], and here it is \[16, 48\]"),
        ("validation_fraction=0.3", "was trained where validation_fraction is 0.15, and here it is 0.3"),
    ],
)
def test_weights_of_another_study_are_refused(published, setting, said):
    folder, _ = published
    with cropped(setting, "look_alike_groups="):
        begun("ddpm")
        with pytest.raises(StudyError, match=said):
            PublishedWeights.of_study(str(folder), study="smoke")


def test_weights_of_one_training_are_not_those_of_two(published):
    with cropped(trainings=2):
        begun("ddpm")
        with pytest.raises(StudyError, match="was trained where trainings is 1, and here it is 2"):
            PublishedWeights.of_study(str(published[0]), study="smoke")


def test_weights_of_people_are_not_published(output):
    with cropped("data_source=folder", f"data_root={output}"):
        train()
        with pytest.raises(StudyError, match="trained on photographs of people, which weights can give away"):
            publish("smoke", output / "weights")
    assert not (output / "weights").exists()


def test_a_training_that_is_not_whole_is_not_published(output):
    with cropped():
        with pytest.raises(StudyError, match=r"artifacts/smoke/ddpm is missing; run: .* 03_ddpm_training"):
            publish("smoke", output / "weights")
        exchange(train() / trainer.LOG)
        with pytest.raises(StudyError, match=r"altered: training_0/loss_log.csv \(other contents\); run"):
            publish("smoke", output / "weights")


def test_nothing_else_is_overwritten(published):
    folder, _ = published
    (folder / "strange.txt").write_text("of an earlier publishing")
    publish("smoke", folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([WEIGHTS, RECORD, trainer.LOG, trainer.GRIDS])
    (folder / RECORD).unlink()
    with pytest.raises(StudyError, match="is there already and holds no published weights; name a new folder"):
        publish("smoke", folder)
    assert (folder / WEIGHTS).is_file()


def test_other_weights_make_the_training_stale_and_a_word_in_their_card_does_not(published):
    folder, _ = published
    given.give(["trainings=1", f"weights={folder}"])
    stage = begun("ddpm")
    PublishedWeights.of_study(str(folder), study="smoke").unpack(stage.folder)
    stage.finish()

    def found():
        return manifests.differences(stage.folder, stage.stage, stage.parameters, parts=("data", "parameters"))

    (folder / "MODEL_CARD.md").write_text("A word.")
    assert found() == []
    exchange(folder / WEIGHTS)
    assert "the published weights have changed" in manifests.in_words(found())
    shutil.rmtree(folder)
    assert "now: none" in manifests.in_words(found())


def test_the_showcase_is_small_enough_for_a_repository():
    unet = network("showcase", n_classes=10)
    assert 2 * unet.num_parameters() < 8e6


STARTING = [
    path.stem for path in (paths.project_root() / "params").glob("*.yaml") if params.resolve(path.stem)["weights"]
]


@pytest.mark.parametrize("study", STARTING)
def test_weights_that_are_in_the_repository_are_those_of_their_study(study):
    told = params.resolve(study)
    if not paths.resolve_data_root(told["weights"]).is_dir():
        pytest.skip("they are left out of this copy")
    record = PublishedWeights.read(told["weights"]).record
    assert record["study"] == study
    assert record["parameters"].items() <= (record["parameters"] | told).items()
