import re

import nbformat
import numpy as np
import pytest
from matplotlib import pyplot as plt

from kpop_rca import artifacts, paths, quality, rca, reference, report, stages
from kpop_rca.errors import StudyError

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def folder(output):
    """The report folder of a study whose first identity has a hostile name, and of which FID is missing."""
    folder = paths.report_folder("mine")
    for stage in stages.STAGES:
        path = paths.executed_notebook("mine", stage.notebook)
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [nbformat.v4.new_markdown_cell(f"# {stage.notebook}"), nbformat.v4.new_code_cell("1 + 1")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    (folder / "figures").mkdir()
    for name in ("05_real_beside_generated", "06_class_rca", "06_fig7_confusions"):
        plt.figure(figsize=(1, 1)).savefig(folder / "figures" / f"{name}.png")
    (folder / "params.yaml").write_text("seed: 0\n")
    parts = rca.summary(
        [[45, 5, 0], [5, 45, 0], [0, 1, 0]], [[70, 30, 0], [40, 60, 0], [0, 1, 0]], [HOSTILE, "Bo", "Cy"]
    )
    parts["generated"] |= {"sampler": "ddim", "steps": 20, "guidance": 1.5}
    missing = {"value": None, "why": "its weights can't be had"}
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(20, 3)) for _ in range(3)]
    distance = quality.frechet_measure(*features, features="random", generator=rng)
    content = {
        "study": "mine",
        "seed": 0,
        "image_size": 32,
        "classes": [HOSTILE, "Bo", "Cy"],
        "data": {"source": "folder", "n_images": 200, "n_identities": 2, "n_faces": 190, "excluded": {"no_face": 10}},
        "judge": "resnet10",
        "visual": {"fid": missing, "is": missing, "judge_frechet": distance},
        "paper": reference.paper_metrics(),
        "seconds": {},
        "versions": {},
        "device": "cpu",
        "answer": "So it is.",
    }
    artifacts.write_json(folder / "metrics.json", content | parts)
    return folder


def test_the_first_page_opens_with_the_answer(folder):
    page = report.build("mine").read_text()
    assert page.index("So it is.") < page.index("Global RCA") < page.index("data:image/png;base64")
    assert re.search(r"Global RCA<b>0\.73</b>", page)
    assert "its weights can&#39;t be had" in page
    assert "10 no face" in page


def test_names_of_people_cannot_run_as_code(folder):
    page = report.build("mine").read_text()
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)" in page


def test_every_notebook_is_a_page_that_links_to_the_others(folder):
    report.build("mine")
    page = (folder / "03_ddpm_training.html").read_text()
    assert all(f'href="{s.notebook}.html"' in page for s in stages.STAGES if s.notebook != "03_ddpm_training")
    assert 'href="index.html"' in page


def test_pages_load_nothing_from_elsewhere(folder):
    report.build("mine")
    for page in folder.glob("*.html"):
        assert not re.search(r'(src|href)="(https?:)?//', page.read_text()), page.name


def test_a_study_that_has_not_run_is_an_error(output):
    with pytest.raises(StudyError, match="run: make study STUDY=mine"):
        report.build("mine")


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (float("nan"), "–"), (0, "0"), (12345, "12,345"), (0.267, "0.27")]
)
def test_numbers_are_readable(value, shown):
    assert report.format_number(value) == shown
