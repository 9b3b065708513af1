"""Restored faces of photographs: what is kept of them are numbers."""

import numpy as np
import pandas as pd
import pytest
from small_panel import faces

from kpop_rca.degradations import blurred
from kpop_rca.errors import StudyError
from kpop_rca.human_ratings.stimuli import PHOTOGRAPH, SOMEBODY, Stimulus
from kpop_rca.metric_panel import restored_photographs


def test_differences_are_paired_and_only_numbers_are_kept(tmp_path_factory, monkeypatch, capsys):
    tmp_path = tmp_path_factory.mktemp("photographs") / "out"
    sharp = faces(6, size=48)
    soft = blurred(sharp, 2.0)
    shown = [
        Stimulus(image, f"{kind}/{k}", kind, PHOTOGRAPH, SOMEBODY, restored=True)
        for kind, images in (("bicubic", soft), ("ddpm", sharp))
        for k, image in enumerate(images)
    ]
    monkeypatch.setattr(restored_photographs, "of_photographs", lambda study, folder, n_images: shown[:n_images])
    words = ["--photographs", "Somebody/Else", "--images", "12", "--out", str(tmp_path)]
    assert restored_photographs.main(words) == 0
    table = pd.read_csv(tmp_path / restored_photographs.TABLE).set_index(["metric", "generator"])
    assert (table["n"] == 6).all() and ((table["low"] <= table["mean"]) & (table["mean"] <= table["high"])).all()
    ddpm, bicubic, change = (
        table.xs(name, level="generator")["mean"] for name in ("ddpm", "bicubic", "ddpm less bicubic")
    )
    assert change.to_numpy() == pytest.approx((ddpm - bicubic)[change.index].to_numpy())
    assert change["sharpness"] > 0 > change["brisque"]
    assert np.isfinite(table[["mean", "low", "high"]]).all().all()
    monkeypatch.setattr(restored_photographs.paths, "report_folder", lambda study: tmp_path.parent)
    with pytest.raises(StudyError, match=r"there is no restored_photographs\.csv"):
        restored_photographs.about_photographs("ratings")
    (tmp_path.parent / "tables").mkdir()
    table.reset_index().to_csv(tmp_path.parent / "tables" / restored_photographs.TABLE, index=False)
    said = restored_photographs.about_photographs("ratings")
    assert said[0].startswith("A committed run on photographs, 6 faces each") and len(said) == 4
    assert "Somebody" not in (tmp_path / restored_photographs.TABLE).read_text() + capsys.readouterr().out
