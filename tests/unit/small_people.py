"""Two people with four photographs and two generated images each: avatars of 160 pixels, rendered in a second."""

from pathlib import Path

from PIL import Image

from kpop_rca.avatars import dataset

COUNTS = {"n_identities": 2, "train_per_identity": 4, "test_per_identity": 2}
NONE = dict.fromkeys(("hard_per_identity", "group_per_identity"), 0)
RATES = dict.fromkeys(("artifact_rate", "hard_rate", "group_rate", "nonface_rate", "burst_rate"), 0.0)


def people_and_generator(folder: Path) -> tuple[Path, Path]:
    """`people/` and `gan/` in a folder; names of files are unique."""
    rendered = folder / "rendered"
    truth = dataset.render_dataset(rendered, seed=6, size=160, alikeness=0.5, workers=1, **COUNTS, **NONE, **RATES)
    for number, row in enumerate(truth.itertuples()):
        file = folder / ("gan" if "test" in row.path else "people") / row.identity / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.open(rendered / row.path).convert("RGB").save(file)
    return folder / "people", folder / "gan"
