"""What a score of faces follows besides quality: the face's area, its pose, and what hides it.

Source: Liao et al. (2024), "FaceScore", "Analysis": their tuned model makes larger, unoccluded frontal faces. The truth
of avatars is known.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from kpop_rca.avatars import attributes, face_boxes, shots
from kpop_rca.avatars.photograph import Shot
from kpop_rca.faces import crops, load_audit
from kpop_rca.preferences.scorer import Scorer

HIDING = ("mask", "sunglasses", "microphone", "phone", "v_sign")  # may cover a part of the face
AVATARS = "idols"  # the source of data whose truth is known


def truth_of(shot: Shot) -> dict[str, float]:
    """face_area (of the image), turned (degrees from the front), hidden (0 or 1) of the most prominent face."""
    (x0, y0, x1, y1), known = face_boxes(shot, size=1)[0], attributes(shot)
    turned = abs(shot.sitters[-1].look.yaw)
    return {
        "face_area": float((x1 - x0) * (y1 - y0)),
        "turned": float(turned),
        "hidden": float(any(known[name] for name in HIDING)),
    }


def test_faces(audit: Path, faces: Path, *, size: int) -> tuple[np.ndarray, pd.DataFrame] | None:
    """The study's test faces, uint8 (N, H, W, 3), and a row of `truth_of` each; None where the truth is not known."""
    _, root, source = load_audit(audit)
    if source != AVATARS:
        return None
    index = crops.load_index(faces)
    wanted = index.loc[index["split"] == "test", "path"]
    tested = set(wanted)
    known = {path: truth_of(shot) for path, shot in shots(root) if path in tested and shot.sitters}
    there = wanted.isin(known).to_numpy()
    images, _ = crops.load_crops(faces, size=size, split="test")
    return images[there], pd.DataFrame([known[path] for path in wanted[there]])


def followed(scorers: Mapping[str, Scorer], images: np.ndarray, known: pd.DataFrame) -> pd.DataFrame:
    """Spearman's correlation of each score with each column of what is known: scorer, attribute, n, spearman.

    Positive: the score is higher for more of it. NaN where either is the same for all.
    """
    rows = []
    for scorer, of_images in scorers.items():
        scores = of_images(images)
        for name, values in known.items():
            varied = np.ptp(values) > 0 and np.ptp(scores) > 0
            found = float(spearmanr(scores, values).statistic) if varied else np.nan
            rows.append({"scorer": scorer, "attribute": name, "n": len(values), "spearman": found})
    return pd.DataFrame(rows)
