"""Which of a study's images are rated, from an untrained network and faces of noise."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from small_panel import faces

from kpop_rca.diffusion import generated_images, trainer, trainings
from kpop_rca.diffusion.objective import forward_process
from kpop_rca.diffusion.unet import build_unet
from kpop_rca.errors import StudyError
from kpop_rca.faces import crops
from kpop_rca.human_ratings import rating_page, stimuli

PEOPLE, SIZE = 3, 16
TOLD = {"image_size": SIZE, "seed": 0, "device": "cpu", "sampler": "ddim", "sampling_steps": 4, "guidance": 0.0}
TOLD |= {"guidance_interval": [0.0, 1.0]}


@pytest.fixture
def sampled(tmp_path):
    """The images of a small study, each of which can be told by its pixels."""
    rng = np.random.default_rng(0)
    folder = {name: tmp_path / name for name in ("faces", "ddpm", "generated")}
    labels = np.arange(60) % PEOPLE
    index = pd.DataFrame({"path": map(str, range(60)), "label": labels, "identity": labels.astype(str)})
    index["split"] = np.where(np.arange(60) < 12, "train", "test")
    crops.save_crops(folder["faces"], {SIZE: rng.integers(256, size=(60, SIZE, SIZE, 3), dtype=np.uint8)}, index)
    folder["generated"].mkdir()
    for label in range(PEOPLE):
        images = rng.integers(256, size=(12, SIZE, SIZE, 3), dtype=np.uint8)
        np.save(generated_images.file_of(folder["generated"], label), images)
    torch.manual_seed(0)
    how = {"layers_per_block": 1, "attention_size": 0, "n_classes": PEOPLE}
    training = trainings.training_folder(folder["ddpm"], 0)
    build_unet(image_size=SIZE, channels=[8, 16], **how).save_pretrained(training / trainer.UNET)
    forward_process("squaredcos_cap_v2", "v").save_pretrained(training / trainer.FORWARD)
    return stimuli._Sampled(TOLD, folder), folder


def test_a_study_gives_as_many_images_of_each_kind_as_wanted(sampled):
    source, folder = sampled
    wanted = stimuli.counts(60)
    found = source.stimuli(wanted)
    kinds = pd.Series([(s.generator, s.level) for s in found]).value_counts().to_dict()
    assert kinds == wanted and len({s.name for s in found}) == 60
    test, labels = crops.load_crops(folder["faces"], size=SIZE, split="test")
    train = crops.load_crops(folder["faces"], size=SIZE, split="train")[0]
    for s in found:
        assert s.image.shape == (SIZE, SIZE, 3) and s.image.dtype == np.uint8
        assert s.restored == (s.level == "restored") and s.anchor == (s.level == "anchor")
        captions = [caption for caption, _, _ in s.beside]
        assert captions == (["Low quality", "Original"] if s.restored else ["Reference"])
        asked = ["quality", "id_fidelity"] if s.restored else ["quality", "authenticity", "id_fidelity"]
        assert s.dimensions == asked
        if not s.restored:
            assert (train == s.beside[0][1]).all(axis=(1, 2, 3)).any()
            own = s.beside[0][2] == f"reference/{s.identity}"
            assert own is (s.generator != "swapped")
        else:
            row = int(s.name.split("/")[-1])
            assert (s.beside[1][1] == test[row]).all() and str(labels[row]) == s.identity


def test_people_take_turns(sampled):
    source, _ = sampled
    found = source.stimuli(stimuli.counts(60))
    of_real = pd.Series([s.identity for s in found if s.generator == "real"]).value_counts()
    assert of_real.max() - of_real.min() <= 1


def test_too_small_a_study_is_refused(sampled):
    source, _ = sampled
    with pytest.raises(StudyError, match="too few generated images for so many"):
        source.stimuli(stimuli.counts(200))


def test_faces_of_photographs_are_restored_without_a_truth(tmp_path, monkeypatch):
    for number, image in enumerate(faces(4, size=96)):
        (folder := tmp_path / f"Somebody_{number}").mkdir()
        Image.fromarray(image).save(folder / "Somebody.jpg")
    Image.new("RGB", (96, 96)).save(tmp_path / "nobody.png")  # without a face, and so passed over
    told = TOLD | {"min_face_size": 20, "max_side": 512, "crop_margin": 0.25}
    monkeypatch.setattr(stimuli.params, "resolve", lambda study: told)
    monkeypatch.setattr(stimuli, "_model", lambda study, told: (None, None))
    monkeypatch.setattr(stimuli.restoration, "restore", lambda unet, forward, images, **_: 255 - images)
    found = stimuli.of_photographs("any", tmp_path, n_images=8)
    assert [one.generator for one in found] == ["bicubic"] * 4 + ["ddpm"] * 4
    for one, other in zip(found[:4], found[4:], strict=True):
        assert (one.image == 255 - other.image).all() and one.image.shape == (SIZE, SIZE, 3)
        assert one.dimensions == [stimuli.QUALITY, stimuli.ID_FIDELITY] and one.identity == stimuli.SOMEBODY
        ((caption, small, _),) = one.beside
        assert caption == "Low quality" and small.shape == (SIZE // 2, SIZE // 2, 3)
    assert not any("Somebody_" in text for one in found for text in (one.name, one.beside[0][2]))
    with pytest.raises(StudyError, match="a face was found in 4 of 5 photographs, 5 are needed"):
        stimuli.of_photographs("any", tmp_path, n_images=10)


def save_people(folder, people, *, n, shape=(20, 30, 3)):
    rng = np.random.default_rng(0)
    for person in people:
        (folder / person).mkdir(parents=True)
        for number in range(n):
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / person / f"{number}.png")


def test_images_of_two_generators_are_rated_without_a_study(tmp_path):
    save_people(tmp_path / "a", ["Ann", "Bo"], n=4)
    save_people(tmp_path / "b", ["Ann", "Bo"], n=9)
    shown = stimuli.of_folders({"one": tmp_path / "a", "two": tmp_path / "b"}, n_images=12, seed=0, side=24)
    assert [one.generator for one in shown] == ["one"] * 6 + ["two"] * 6
    assert {one.image.shape for one in shown} == {(24, 24, 3)} and len({one.name for one in shown}) == 12
    counts = [sum(one.identity == "Ann" for one in shown if one.generator == name) for name in ("one", "two")]
    assert counts == [3, 3]
    pages = rating_page.write_pages(shown, tmp_path / "out", rating_page.Plan(2, 0, mode="pairwise", practice=1))
    key = pd.read_csv(tmp_path / "out" / "key.csv")
    assert len(pages) == 2 and set(key["generator"]) == {"one", "two"}


def test_generators_of_different_people_cannot_be_compared(tmp_path):
    save_people(tmp_path / "a", ["Ann", "Cy"], n=2)
    save_people(tmp_path / "b", ["Bo", "Di"], n=2)
    with pytest.raises(StudyError, match="name their folders alike"):
        stimuli.of_folders({"one": tmp_path / "a", "two": tmp_path / "b"}, n_images=4, seed=0)
    with pytest.raises(StudyError):
        stimuli.of_folders({"one": tmp_path / "nowhere"}, n_images=4, seed=0)
