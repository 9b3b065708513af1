"""The command that publishes weights, and their card: every number in it is theirs, or of images made from them."""

import json
import shlex
import shutil

import pytest
from small_published import begun, cropped, train

from kpop_rca import publish
from kpop_rca.diffusion import PublishedWeights
from kpop_rca.results import model_card
from kpop_rca.study import given, paths


@pytest.fixture
def weights(output):
    """The published weights of a study that was trained."""
    with cropped():
        train()
        assert publish.main(["--study", "smoke", "--out", str(output / "weights")]) == 0
        yield output / "weights"


def test_the_card_describes_the_weights(weights, capsys):
    card = (weights / model_card.CARD).read_text()
    found = PublishedWeights.read(str(weights))
    assert f"with {found.load()[0].num_parameters():,} weights" in card
    for name in model_card.LISTED:
        assert f"| `{name}` | {model_card.LISTED[name]} | `{found.record['files'][name]}` |" in card
    assert "trained on 8 of them" in card
    assert "24 steps of 16 images in 2 seconds" in card
    assert "\nidols_alikeness: 0.35\n" in card
    assert "Not computed yet" in card
    assert "{" not in card and "&#" not in card
    assert not [line for line in card.splitlines() if "\n\n|" in line]


def test_numbers_come_from_a_study_that_started_from_the_weights(weights, capsys):
    before = {path.name: path.read_bytes() for path in weights.iterdir() if path.is_file()}
    settings = ["trainings=1", f"weights={weights}"]
    words = ["--study", "smoke", "--settings", shlex.join(settings)]
    given.give(settings)
    stage = begun("ddpm")
    PublishedWeights.of_study(str(weights), study="smoke").unpack(stage.folder)
    stage.finish()
    assert publish.main(words) == 1
    assert "error: artifacts/smoke/quality is missing; run: " in capsys.readouterr().err
    for folder in ("oracle", "generated", "rca", "quality"):
        begun(folder).finish()
    paths.report_folder("smoke").mkdir(parents=True, exist_ok=True)
    metrics = paths.report_folder("smoke") / "metrics.json"
    shutil.copy(paths.committed_report("quick") / "metrics.json", metrics)
    assert publish.main(words) == 0
    after = {path.name: path.read_bytes() for path in weights.iterdir() if path.is_file()}
    assert {name for name in after if after[name] != before[name]} == {model_card.CARD}
    found = json.loads(metrics.read_text())
    (row,) = (line for line in after[model_card.CARD].decode().splitlines() if line.startswith("| RCA by"))
    low, high = found["rca"]["ci95"]
    assert row.endswith(f"| {found['rca']['global']:.2f} ({low:.2f} to {high:.2f}) |")


def test_the_weights_of_people_are_refused_in_a_line(output, capsys):
    with cropped("data_source=folder", f"data_root={output}"):
        train()
        assert publish.main(["--study", "smoke", "--out", str(output / "weights")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: smoke is trained on photographs of people") and error.count("\n") == 1
