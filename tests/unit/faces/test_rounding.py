"""Flags and splits do not hang on rounding: other threads and other vector instructions leave them as they are."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from kpop_rca.avatars import render_dataset
from kpop_rca.faces import label_issues

INSTRUCTIONS = ("DEFAULT", "AVX2", "AVX512")  # as PyTorch names them; forced ones that a machine lacks end a process
HERE = torch.backends.cpu.get_cpu_capability()
KNOWN = INSTRUCTIONS[: INSTRUCTIONS.index(HERE) + 1] if HERE in INSTRUCTIONS else (HERE,)
ENVIRONMENTS = [{"OMP_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": HERE.lower()}]
ENVIRONMENTS += [{"OMP_NUM_THREADS": "2", "ATEN_CPU_CAPABILITY": name.lower()} for name in KNOWN]
AUDIT = """
import sys
from pathlib import Path
import pandas as pd
from kpop_rca import data, faces
root = Path(sys.argv[1])
table = data.scan(root, n_identities=0, min_per_identity=0, exclude_identities=[], max_per_identity=0)
how = {"min_face_size": 32, "batch_size": 64, "max_side": 512, "device": "cpu", "workers": 1}
flagged = faces.flag_images(
    faces.detect_faces(table, root, **how), min_probability=0.86, min_face_width=28, max_mismatch_score=1.0, seed=0
)
flags = ["non_facial", "several_faces", "identity_mismatch", "cross_identity_duplicate"]
reasons = faces.exclusion_reasons(flagged, exclude_flags=flags, exclude_hand_labels=[])
kept = flagged[reasons == ""]
how = {"oracle_fraction": 0.5, "validation_fraction": 0.15, "test_fraction": 0.2, "seed": 0}
flagged["split_used"] = faces.assign_splits(kept, **how).reindex(flagged.index, fill_value="")
columns = [name for name in flagged if name.startswith("flag_")]
flagged[["path", "split_used", "mismatch_score", *columns]].to_pickle(sys.argv[2])
"""


def people(rng: np.random.Generator, *, n: int = 60, width: int = 40) -> tuple[pd.DataFrame, np.ndarray]:
    """Faces of three people who overlap, as numbers: some labels are doubtful."""
    labels = np.repeat(np.arange(3), n)
    features = rng.normal(size=(len(labels), width)) + 1.2 * np.eye(3, width)[labels]
    table = pd.DataFrame({"identity": [f"P{k}" for k in labels], "part": "normal", "duplicate_group": -1})
    return table, features


def test_probabilities_do_not_hang_on_when_the_solver_stops():
    """Noise a tenth of a grey level moves probabilities by no more than its own size; a loose tolerance, by 0.01."""
    rng = np.random.default_rng(0)
    table, features = people(rng)
    candidates = np.ones(len(table), dtype=bool)
    moved = features * (1 + 1e-9 * rng.standard_normal(features.shape))
    one, other = (
        label_issues.find_mismatches(table, of, candidates=candidates, seed=0).scores for of in (features, moved)
    )
    assert np.abs(one - other).max() < 1e-5


@pytest.fixture(scope="module")
def audits(tmp_path_factory):
    """The audit of one small dataset, under each of the environments."""
    folder, sets = tmp_path_factory.mktemp("rounding"), []
    rates = {"artifact_rate": 0.1, "hard_rate": 0.05, "group_rate": 0.1, "nonface_rate": 0.05, "burst_rate": 0.05}
    per_identity = {"train_per_identity": 24, "test_per_identity": 6, "hard_per_identity": 1, "group_per_identity": 1}
    render_dataset(folder / "data", seed=0, n_identities=3, size=96, alikeness=0.3, workers=1, **per_identity, **rates)
    for number, environment in enumerate(ENVIRONMENTS):
        found = folder / f"{number}.pkl"
        command = [sys.executable, "-c", AUDIT, str(folder / "data"), str(found)]
        subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)
        sets.append(pd.read_pickle(found))
    return sets


def test_flags_and_splits_are_equal_under_other_threads_and_instructions(audits):
    first, *others = audits
    assert first["flag_identity_mismatch"].any() and first["split_used"].nunique() > 3  # there is something to differ
    for other in others:
        pd.testing.assert_frame_equal(first.drop(columns="mismatch_score"), other.drop(columns="mismatch_score"))
        difference = (first["mismatch_score"] - other["mismatch_score"]).abs()
        assert difference.max() < 2e-3  # single pixels may round to another grey level
