"""Who is seen on enlarged faces: tables and verdicts, with oracles whose answers are known."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from known_oracle import avatars

from kpop_rca.diffusion.objective import forward_process
from kpop_rca.diffusion.unet import build_unet
from kpop_rca.errors import StudyError
from kpop_rca.oracles import embeddings, training
from kpop_rca.validity import cascaded
from kpop_rca.validity.cascaded import BICUBIC, DIFFUSION, GENERATED, REAL, REGRESSION, SWAPPED, TRUTH, Enlarged

HOW = {"n_replicates": 400}


def colour(images):
    """The oracle: the class is the brightest channel."""
    return images.mean(axis=(1, 2)).argmax(axis=1)


def spoilt(labels, fraction):
    """Flat faces, of which the first show the next identity."""
    shown = np.where(np.arange(len(labels)) < fraction * len(labels), (labels + 1) % 3, labels)
    images = np.full((len(labels), 12, 12, 3), 60, dtype=np.uint8)
    images[np.arange(len(labels)), :, :, shown] = 180
    return images


def made(wrong):
    """Faces by method, of which a fraction shows the next identity: {(faces, method, level): fraction}."""
    labels = np.arange(90) % 3
    return [Enlarged(*key, spoilt(labels, fraction), labels) for key, fraction in wrong.items()]


def test_a_gain_on_generated_faces_alone_is_identity_and_one_on_both_is_not():
    both = {(f, m, 0.0): wrong for f in (REAL, GENERATED) for m, wrong in ((BICUBIC, 0.6), (DIFFUSION, 0.1))}
    alone = both | {(REAL, BICUBIC, 0.0): 0.1}
    verdicts = []
    for wrong in (alone, both):
        seen = cascaded.recognised({"colour": colour}, made(wrong), slower={})
        ratios = cascaded.rca_changes(seen, methods=[DIFFUSION], generator=np.random.default_rng(0), **HOW)
        changes = cascaded.identity_changes(seen, reference=(BICUBIC, 0.0), generator=np.random.default_rng(0), **HOW)
        of_generated = changes[(changes["faces"] == GENERATED) & (changes["method"] == DIFFUSION)]
        assert of_generated["verdict"].tolist() == ["rises"]
        assert of_generated["accuracy"].iloc[0] == pytest.approx(0.9)
        assert of_generated["change"].iloc[0] == pytest.approx(0.5)
        answer = cascaded.cascade_answer(changes, ratios)
        assert len(answer["sentences"]) == 3
        verdicts.append(answer["verdict"])
    assert verdicts[0] == "rises"
    assert verdicts[1] != "rises"


def test_oracles_that_disagree_leave_it_open():
    wrong = {(f, m, 0.0): 0.5 for f in (REAL, GENERATED) for m in (BICUBIC, DIFFUSION)}
    seen = cascaded.recognised({"colour": colour}, made(wrong), slower={})
    changes = cascaded.identity_changes(seen, reference=(BICUBIC, 0.0), generator=np.random.default_rng(0), **HOW)
    ratios = cascaded.rca_changes(seen, methods=[DIFFUSION], generator=np.random.default_rng(0), **HOW)
    other = ratios.assign(oracle="other", verdict="identity falls")
    answer = cascaded.cascade_answer(changes, pd.concat([ratios, other]))
    assert answer["verdict"] == "inconclusive"


def test_the_slower_oracle_looks_at_plain_methods_alone():
    wrong = {(REAL, BICUBIC, 0.0): 0, (REAL, DIFFUSION, 0.0): 0, (REAL, DIFFUSION, 0.6): 0, (REAL, SWAPPED, 0.0): 0}
    seen = cascaded.recognised({"fast": colour}, made(wrong), slower={"slow": colour})
    of_slow = seen[seen["oracle"] == "slow"]
    assert set(zip(of_slow["method"], of_slow["level"], strict=True)) == {(BICUBIC, 0.0), (DIFFUSION, 0.0)}
    assert len(seen) == (4 + 2) * 90


def test_a_swapped_label_shows_in_pixels_and_predictions():
    wrong = {(REAL, DIFFUSION, 0.0): 0.0, (REAL, cascaded.NO_LABEL, 0.0): 0.0, (REAL, SWAPPED, 0.0): 0.5}
    images = made(wrong)
    used = cascaded.label_effect(images, cascaded.recognised({"colour": colour}, images, slower={}), "colour")
    found = used.set_index("method")
    assert found.loc[SWAPPED, "predicted_as_swapped"] == 0.5
    assert found.loc[SWAPPED, "accuracy"] == 0.5
    assert found.loc[SWAPPED, "pixel_change"] > 0
    assert found.loc[cascaded.NO_LABEL, "pixel_change"] == 0


def test_fidelity_is_measured_beside_the_truth(monkeypatch):
    monkeypatch.setattr(training, "predict", lambda oracle, images: (None, images.mean(axis=(1, 2)) + 1.0))
    rng, (truth, labels) = np.random.default_rng(0), avatars(6)
    noisy = {BICUBIC: 20, REGRESSION: 2, DIFFUSION: 10}
    images = {m: (truth + rng.integers(0, sd, truth.shape)).clip(0, 255).astype(np.uint8) for m, sd in noisy.items()}
    faces = [Enlarged(REAL, method, 0.0, shown, labels) for method, shown in (images | {TRUTH: truth}).items()]
    table = cascaded.fidelity([*faces, Enlarged(GENERATED, BICUBIC, 0.0, truth, labels)], "an oracle")
    assert table["method"].tolist() == [BICUBIC, REGRESSION, DIFFUSION]
    near = table.set_index("method")
    assert near["psnr"].rank().to_dict() == {BICUBIC: 1, DIFFUSION: 2, REGRESSION: 3}
    assert near.loc[BICUBIC, "feature_ratio"] == 1
    targets = cascaded.fidelity_targets(table, {})
    assert targets["met"].tolist() == [True, True, True]
    assert cascaded.fidelity_targets(table.assign(feature_ratio=1.0), {})["met"].tolist() == [True, True, False]
    slow = cascaded.fidelity_targets(table, {"diffusion": 200.0, "regression": 160.0})
    assert slow["met"].tolist()[3:] == [False, True] and slow["target"].iloc[3] == "CPU-minutes to train the diffusion"


def test_faces_are_enlarged_every_way_and_labels_swapped():
    torch.manual_seed(0)
    how = {"channels": [8, 16], "layers_per_block": 1, "attention_size": 0, "n_classes": 3, "prediction": "x_0"}
    unet = build_unet(image_size=16, stem="super_resolution", **how).eval()
    small = (avatars(3)[0][:, :8, :8], np.arange(3))
    models = {DIFFUSION: (unet, forward_process("squaredcos_cap_v2", "x_0")), REGRESSION: (unet, None)}
    how = {"sampler": "ddim", "steps": 1, "guidance": 0.0, "seed": 0}
    found = cascaded.enlarged_every_way(small, faces=REAL, models=models, levels=[0.0, 0.6], **how)
    assert [(one.method, one.level) for one in found] == [
        *((method, 0.0) for method in (BICUBIC, "lanczos", REGRESSION)),
        *((DIFFUSION, level) for level in (0.0, 0.6)),
        *((method, level) for level in (0.0, 0.6) for method in (cascaded.NO_LABEL, SWAPPED)),
    ]
    assert {one.images.shape for one in found} == {(3, 16, 16, 3)}
    assert all(np.array_equal(one.labels, small[1]) for one in found)
    assert cascaded.swapped(np.arange(3), 3).tolist() == [1, 2, 0]


def test_without_the_face_network_there_is_a_reason(monkeypatch):
    def missing(name):
        raise StudyError(f"{name} is not installed")

    monkeypatch.setattr(embeddings, "open_embedding", missing)
    assert cascaded.face_network(avatars(3), margin=0.25) == ({}, "dlib is not installed")


def test_the_summary_is_json(tmp_path):
    wrong = {(f, m, 0.0): 0.5 for f in (REAL, GENERATED) for m in (BICUBIC, DIFFUSION)}
    seen = cascaded.recognised({"colour": colour}, made(wrong), slower={})
    answer = {"verdict": "inconclusive", "sentences": ["so"]}
    cascaded.write_summary(tmp_path, answer=answer, missing={"lpips": ""}, seen=seen.head(2).assign(lpips=np.nan))
    found = json.loads((tmp_path / cascaded.SUMMARY).read_text())
    assert found["verdict"] == "inconclusive"
    assert found["seen"][0]["lpips"] is None
