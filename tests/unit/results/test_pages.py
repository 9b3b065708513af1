import re
import shutil

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from reasons import without_reason
from small_report import write_executed_notebooks

from kpop_rca import rca, report
from kpop_rca.errors import StudyError
from kpop_rca.image_metrics import feature_panel
from kpop_rca.results import pages, paper
from kpop_rca.results.notebook_html import unwrapped
from kpop_rca.study import paths, stages
from kpop_rca.system import files
from kpop_rca.system.console import wrapped

HOSTILE = "<script>alert(1)</script>"


def predictions(counts):
    """Labels and one oracle's predictions that give these counts."""
    labels, predicted = np.indices(counts.shape)
    return np.repeat(labels.ravel(), counts.ravel()), np.repeat(predicted.ravel(), counts.ravel())[None]


def opening(notebook):
    """The first cell, with its badge."""
    return [nbformat.read(paths.notebook_source(notebook), as_version=4).cells[0]]


@pytest.fixture
def folder(output):
    """The report folder of a study whose first identity has a hostile name, and of which FID is missing."""
    folder = write_executed_notebooks("mine", opening=opening)
    (folder / "figures").mkdir()
    for name in ("05_real_beside_generated", "06_people", "06_by_oracle", "06_fig7_confusions"):
        plt.figure(figsize=(1, 1)).savefig(folder / "figures" / f"{name}.png")
    plt.close("all")
    (folder / "params.yaml").write_text("seed: 0\n")
    real, generated = np.array([[45, 5, 0], [5, 45, 0], [0, 1, 0]]), np.array([[70, 30, 0], [40, 60, 0], [0, 1, 0]])
    names = [HOSTILE, "Bo", "Cy"]
    rng = np.random.default_rng(0)
    replicates = rca.bootstrap(predictions(real), predictions(generated), 3, n_replicates=50, generator=rng)
    own = {name: values[:, 0] for name, values in replicates.items()}
    parts = rca.summary(real, generated, names, own)
    accuracy = {"accuracy": 0.4, "ci95": [0.3, 0.5], "n_train": 9, "n_test": 101}
    sides = (predictions(counts) for counts in (real, generated))
    images = [
        rca.Predicted(labels, found, np.full(len(labels), group))
        for (labels, found), group in zip(sides, (-1, 0), strict=True)
    ]
    table = rca.person_verdicts(*images, ["resnet10"], classes=names)
    entries = zip(parts["rca"]["per_class"], rca.verdict_entries(table), strict=True)
    parts["rca"]["per_class"] = [entry | verdict for entry, verdict in entries]
    parts["rca"]["verdict_limits"]["over"] = table["over"][0]
    parts["generated"] |= {"sampler": "ddim", "steps": 20, "guidance": 1.5}
    missing = {"value": None, "why": "its weights can't be had"}
    features = [rng.normal(size=(20, 3)) for _ in range(3)]
    distance = feature_panel.frechet_measure(*features, features="random", generator=rng)
    content = {
        "study": "mine",
        "seed": 0,
        "image_size": 32,
        "classes": [HOSTILE, "Bo", "Cy"],
        "data": {"source": "folder", "n_images": 200, "n_identities": 2, "n_faces": 190, "excluded": {"no_face": 10}},
        "headline_oracle": "resnet10-0",
        "confusion_corrected_accuracy": rca.confusion_corrected_summary(real, generated, names, own),
        "over_oracles": rca.over_oracles(
            ["resnet10-0"], real[None], generated[None], replicates, classes=names, generator=rng
        ),
        "trainings": {"n": 2, "rca": [0.61, 0.74], "sd": 0.092},
        "cas": {"train_generated_test_real": accuracy, "ratio": {"value": 0.7, "ci95": [0.5, 0.9]}},
        "memorisation": [
            {
                "copies": False,
                "fraction_nearer_train": 0.53,
                "fraction_by_chance": 0.44,
                "excess": 0.07,
                "p_fraction": 0.04,
                "p_ratio": 0.001,
                "real": None,
                "real_why": "none",
            }
        ],
        "visual": {"fid": missing, "is": missing, "oracle_frechet": distance},
        "paper": paper.paper_metrics(),
        "seconds": {},
        "seconds_together": 0.0,
        "versions": {},
        "device": "cpu",
    }
    rng = np.random.default_rng(0)
    parts |= rca.collapse_summary(real, generated, names, [], n_replicates=200, generator=rng)
    files.write_json(folder / "metrics.json", content | parts)
    return folder


def test_every_null_of_the_metrics_has_its_reason(folder):
    """With a class that the oracle never recognises, an oracle that can't be inverted, alone of its kind, no group."""
    metrics = files.read_json(folder / "metrics.json")
    assert list(without_reason(metrics)) == []
    assert metrics["rca"]["macro"] is None and metrics["confusion_corrected_accuracy"]["mean"] is None
    assert metrics["over_oracles"]["per_class"][2]["rca"]["value"] is None


def test_the_committed_metrics_say_why_a_number_is_missing():
    metrics = files.read_json(paths.committed_report("quick") / "metrics.json")
    assert list(without_reason(metrics)) == []


def test_the_first_page_opens_with_the_answer(folder):
    page = pages.build("mine").read_text()
    assert page.index("RCA 0.73 (95 % interval ") < page.index("Global RCA<b>0.73</b>")
    assert re.search(r"above the 0\.\d\d of a model that ignores the condition", page)
    assert '<tr><td>not measurable</td><td>1</td><td class="note">Cy</td></tr>' in page
    assert "Cy is not measurable: " in page
    assert "its weights can't be had" in page
    assert "10 no face" in page
    assert "tells the identities apart too badly" in page  # why there is no corrected accuracy
    assert "0.70 times" in page and "<td>53 %</td>" in page
    assert "44 % of a model that does not copy (p = 0.04; for how near the typical one lies, p &lt; 0.01)" in page
    assert "are copies</td>" not in page  # of a verdict that there are none, no estimate of how many
    assert "Only one oracle of its kind was trained" in page
    assert "The most frequent confusion: requested Cy, predicted Bo, in 100 % of these images" in page


def test_the_first_page_gives_bounds_where_the_assumption_is_rejected(folder):
    metrics = files.read_json(folder / "metrics.json")
    corrected = metrics["confusion_corrected_accuracy"] | {
        "mean": 0.6,
        "ci95": [0.5, 0.7],
        "chance": 0.3,
        "outside": [],
    }
    metrics["confusion_corrected_accuracy"] = corrected | {"per_class": None}
    files.write_json(folder / "metrics.json", metrics)
    assert "which was not tested here." in pages.build("mine").read_text()  # of an earlier study
    agreement = {"oracles": ["a", "b"], "statistic": 9.0, "freedom": 2, "p": 0.2, "agree": True, "why": ""}
    density = {"oracle": "a", "density": 0.95, "coverage": 0.9, "energy": 0.01, "limit": 0.7, "within": True}
    found = {"agreement": agreement, "density": density, "rejected_by": [], "bounds": None}
    files.write_json(folder / "metrics.json", metrics | {"assumption": found})
    page = pages.build("mine").read_text()
    assert "no test rejects that." in page and "oracles, p = 0.20; density 0.95, limit 0.70." in page
    bounds = {"over_oracles": [0.6, 0.7], "matched": {"kind": "blur", "level": 0.75, "over_oracles": [0.5, 0.8]}}
    found = found | {"rejected_by": ["agreement"], "bounds": bounds | {"all": [0.5, 0.8]}}
    files.write_json(folder / "metrics.json", metrics | {"assumption": found})
    page = pages.build("mine").read_text()
    lead, details = page.split("Why the assumption is rejected:")
    said = lead.split('<p class="lead">')[-1]
    assert "Between 50 % and 80 % of the images show" in said and "it would be 60 % (50 to 70 %)." in said
    assert "By chance it would be 30 %." in said
    assert "the 2 oracles cannot all be right about these images (p = 0.20)" in details and "blur of 0.75" in details
    assert "lie outside" not in page


def test_the_first_page_tells_how_far_trainings_differ(folder):
    assert "Their RCA is 0.61 to 0.74, with a standard deviation of 0.09" in pages.build("mine").read_text()
    metrics = files.read_json(folder / "metrics.json")
    files.write_json(folder / "metrics.json", metrics | {"trainings": {"n": 1, "rca": [0.61], "sd": None}})
    assert "Their RCA is" not in pages.build("mine").read_text()


def test_the_first_page_tells_of_groups_and_of_failed_assumptions(folder):
    path = folder / "metrics.json"
    content = files.read_json(path)
    excess = {"excess": 0.1, "rate_within_real": 0.12, "rate_within_generated": 0.22, "p": 0.3}
    content["within_groups"] = {"excess": excess}
    content["confusion_corrected_accuracy"] |= {"outside": ["Bo"], "mean_on_simplex": 0.5}
    content["collapse"]["confusions"] = []
    files.write_json(path, content)
    page = pages.build("mine").read_text()
    assert "A look-alike is predicted for 22 % of the generated faces and 12 % of the real ones" in page
    assert "not clearly larger than within other groupings of these identities (p = 0.30)" in page
    assert "The interval of Bo lies wholly outside 0 to 1" in page
    assert "No generated face is predicted as another identity" in page


def test_an_oracle_that_can_be_inverted_gives_corrected_accuracies(folder):
    path = folder / "metrics.json"
    content = files.read_json(path)
    per_class = [{"class": name, "value": 0.81, "ci95": [0.7, 0.9]} for name in content["classes"]]
    content["confusion_corrected_accuracy"] |= {"mean": 0.81, "ci95": [0.75, 0.86], "per_class": per_class}
    files.write_json(path, content)
    page = pages.build("mine").read_text()
    assert re.search(r"Confusion-corrected accuracy<b>0\.81</b>\s*<small>95 % interval 0\.75 to 0\.86", page)
    assert page.count("0.70 to 0.90") == 3


def test_names_of_people_cannot_run_as_code(folder):
    page = pages.build("mine").read_text()
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)" in page


def test_every_notebook_is_a_page_that_links_to_the_others(folder):
    pages.build("mine")
    page = (folder / "03_ddpm_training.html").read_text()
    assert all(f'href="{s.notebook}.html"' in page for s in stages.STAGES if s.notebook != "03_ddpm_training")
    assert 'href="index.html"' in page


def test_the_links_come_before_the_text_of_a_page(folder):
    pages.build("mine")
    page = (folder / f"{stages.STAGES[0].notebook}.html").read_text()
    assert page.index("<nav ") < page.index('<main id="main">') and page.count("<main ") == 1
    assert page.index('<a class="skip" href="#main">') < page.index("<nav ")


def test_a_sweep_has_its_one_notebook_for_a_report(folder):
    """Its verdicts are its answer, in the line that `make study` ends with as on the page."""
    (folder / "params.yaml").write_text("sweep_seeds: 3\n")
    with pytest.raises(StudyError, match="run: notebook 08_claims with"):
        pages.build("mine")
    shutil.copy(paths.notebook_source(stages.CLAIMS.notebook), folder / "notebooks")
    (folder / "tables").mkdir(exist_ok=True)
    pd.DataFrame({"verdict": ["supported", "supported", "inconclusive"]}).to_csv(folder / "tables/08_verdicts.csv")
    assert "experiments" in pages.build("mine").read_text()
    assert report.answer("mine").startswith("mine: of 3 comparisons 2 supported, 1 inconclusive; open ")


def test_pages_load_nothing_from_elsewhere(folder):
    pages.build("mine")
    for page in folder.glob("*.html"):
        assert not re.search(r'(src|href)="(https?:)?//', page.read_text()), page.name


def test_a_study_that_has_not_run_is_an_error(output):
    with pytest.raises(StudyError, match='run: notebook 09_image_quality with study = "mine"'):
        pages.build("mine")


SHEET_ALT = "Real faces of each identity beside faces generated for it"


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("data_source: idols\n", True),
        ("data_source: folder\npublish_images: true\n", True),
        ("data_source: folder\npublish_images: false\n", False),
        ("data_source: lfw\n", False),
        ("seed: 0\n", False),  # whose faces they are is not said
    ],
)
def test_the_first_page_shows_real_people_where_the_study_asks_for_it(folder, given, seen):
    (folder / "params.yaml").write_text(given)
    page = pages.build("mine").read_text()
    assert page.count("<img ") == 3 + seen
    assert (SHEET_ALT in page) == seen
    assert ("Faces of 3 identities, 101 real, held out, and 201 generated,\nare left out here" in page) == (not seen)


def publishing(value):
    """What a notebook sets on showing people: its default, and what the runner put in."""
    cell = nbformat.v4.new_code_cell
    default = cell("publish_images: bool = False  # x", execution_count=1, metadata={"tags": ["parameters"]})
    handed = cell(f"publish_images = {value}", execution_count=2, metadata={"tags": ["injected-parameters"]})
    return [default, handed]


def give_it_an_image(cells):
    path = paths.executed_notebook("mine", "02_preprocessing")
    image = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo="})
    shown = nbformat.v4.new_code_cell("show", execution_count=9, outputs=[image])
    nbformat.write(nbformat.v4.new_notebook(cells=[*cells, shown]), path)


def test_a_notebook_that_showed_real_people_is_not_made_a_page(folder):
    (folder / "params.yaml").write_text("data_source: folder\n")
    for cells in ([], publishing(True)):
        give_it_an_image(cells)
        with pytest.raises(StudyError, match=r"may show people.* run: notebook 02_preprocessing with"):
            pages.build("mine")
    give_it_an_image(publishing(False))  # a plot
    pages.build("mine")
    give_it_an_image(publishing(True))
    (folder / "params.yaml").write_text("data_source: idols\n")
    pages.build("mine")


def test_widgets_which_need_a_kernel_are_dropped(folder):
    path = paths.executed_notebook("mine", "01_data_audit")
    notebook = nbformat.read(path, as_version=4)
    kinds = {"1": "ImageModel", "2": "HTMLModel"}
    state = {key: {"model_name": kind, "state": {"value": f"value of {kind}"}} for key, kind in kinds.items()}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": state}}
    nbformat.write(notebook, path)
    pages.build("mine")
    page = (folder / "01_data_audit.html").read_text()
    assert "HTMLModel" not in page and "ImageModel" not in page


@settings(deadline=None)
@given(st.lists(st.lists(st.text("ab", min_size=1, max_size=12), min_size=1, max_size=60).map(" ".join), min_size=1))
def test_a_page_breaks_the_lines_of_sentences_itself(sentences):
    """Those that fill their last line so that the next sentence would not fit there are the exception."""
    shown = unwrapped(wrapped(sentences))
    assert shown.replace("\n", " ") == " ".join(sentences)
    assert shown.count("\n") <= len(sentences) - 1
    if len(sentences) == 1:
        assert shown == sentences[0]
