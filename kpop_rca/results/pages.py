"""A study's report as HTML: a first page that opens with the answer, and a page for each executed notebook.

They are built from the study's report folder alone. Of a sweep, and of benchmarks, the one notebook that compares is
the whole report.
"""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from kpop_rca.errors import StudyError
from kpop_rca.results import answers, layout, notebook_html, tables
from kpop_rca.study import committed, fingerprint, flat_yaml, manifests, params, paths, privacy, stages
from kpop_rca.system import files, html

TITLES = {
    "01_data_audit": "1 Data audit",
    "02_preprocessing": "2 Preprocessing",
    "03_ddpm_training": "3 Training",
    "04_oracle_benchmark": "4 Oracles",
    "05_generation": "5 Generation",
    "06_rca_analysis": "6 RCA",
    "07_rca_validity": "7 Validity",
    "09_image_quality": "9 Image quality",
}
# Studies of which one notebook is the whole report, by the parameter that makes them so: the stage, the title of the
# page, and the table whose verdicts are the answer.
ALONE = {
    "sweep_seeds": (stages.CLAIMS, "8 Claims", "08_verdicts"),
    "bench_repeats": (stages.BENCHMARKS, "90 Benchmarks", "90_ratios"),
}
PARAMETERS = "params.yaml"
NOT_THERE, DAMAGED = "is not there", "is damaged"
# Whether a notebook may show people: in its parameters cell, then in the one that the runner put in.
PUBLISHES = re.compile(r"^publish_images(?:: bool)? = (True|False)", re.M)
# Of the measures of image quality, those on the first page; all of them are in metrics.json and notebook 09.
OF_PRETRAINED = ("fid", "kid", "is", "lpips_diversity", "dinov2_frechet", "facenet_frechet")
OF_ORACLE = ("oracle_frechet", "oracle_precision", "oracle_recall", "oracle_coverage", "oracle_feature_diversity")
SHEET = "05_real_beside_generated"
FIGURES = {"people": "06_people", "confusions": "06_fig7_confusions", "by_oracle": "06_by_oracle"}


def build(study: str) -> Path:
    """Write the pages of a study and their record; returns the path of the first, `reports/<study>/index.html`.

    Raises:
        StudyError: the study has not run to the end, or one of its files is damaged.
    """
    folder = paths.report_folder(study)
    read_from = {name: files.sha256(path) for name, path in sources(study).items()}
    hashes = {}
    for name, text in _pages(study).items():
        with files.atomic(folder / f"{name}.html") as temporary:
            temporary.write_text(text, encoding="utf-8")
        hashes[f"{name}.html"] = files.sha256(folder / f"{name}.html")
    files.write_json(paths.report_record(study), {"files": hashes, "inputs": read_from, "code": {"pages": code()}})
    return folder / "index.html"


def _pages(study: str) -> dict[str, str]:
    """The HTML of each page, by its name without ending."""
    if alone := alone_in(study):
        stage, title, table = alone
        if not (paths.report_folder(study) / "tables" / f"{table}.csv").is_file():
            raise _error(study, f"tables/{table}.csv", NOT_THERE, stage)
        return {"index": notebook_page(study, stage.notebook, pages={"index": title}, here="index")}
    found = metrics(study)
    pages = {name: notebook_page(study, name, pages=TITLES, here=name) for name in TITLES}
    return pages | {"index": _page(study, index_body(study, found, pages=TITLES), TITLES, "index")}


def _page(study: str, body: str, pages: dict[str, str], here: str) -> str:
    """A page that needs no other file, with links to `pages` (titles by name)."""
    menu = {"": [layout.Entry("Result", "index.html", here == "index")]} if "index" not in pages else {"": []}
    menu[""] += [layout.Entry(title, f"{name}.html", name == here) for name, title in pages.items()]
    title = f"{study} · {pages.get(here, 'does it show the requested identity?')}"
    return layout.page(layout.finish(body), title=title, menu=menu, home=layout.Entry(study, "index.html"))


def _error(study: str, name: str, flaw: str, stage: stages.Stage) -> StudyError:
    """What is wrong with a file of the report, and the command of the stage that writes it."""
    return StudyError(f"reports/{study}/{name} {flaw}; run: {manifests.command(study, stage)}")


def alone_in(study: str) -> tuple[stages.Stage, str, str] | None:
    """The entry of ALONE that a study's resolved parameters set; None for a study of one model."""
    parameters = _parameters(study)
    return next((about for name, about in ALONE.items() if parameters.get(name)), None)


def is_tables_alone(study: str) -> bool:
    """Whether a report is tables, without a study of its own."""
    folder = paths.report_folder(study)
    return not (folder / PARAMETERS).is_file() and not (folder / manifests.METRICS).is_file()


def sources(study: str) -> dict[str, Path]:
    """What the pages are written from, by name in the report folder; the figures change with the notebooks."""
    folder = paths.report_folder(study)
    notebooks = [committed.shown_notebook(study, stage.notebook) for stage in stages.EVERY]
    found = [folder / manifests.METRICS, folder / PARAMETERS, *notebooks]
    return {os.path.relpath(path, folder): path for path in found if path.is_file()}


def code() -> str:
    """Hash of what writes the pages: this module, what it imports, and the templates."""
    return fingerprint.of_modules("results.pages")


def command(study: str) -> str:
    """The command that writes a study's pages again."""
    return f"{paths.python()} -m kpop_rca.report --study {study}"


def metrics(study: str) -> dict[str, Any]:
    """`metrics.json` of a study of one model, or an error with the command that writes it."""
    stage = stages.by_folder("quality")
    found = _content(study, manifests.METRICS, tables.read_metrics, stage)
    if "rca" not in found:
        raise _error(study, manifests.METRICS, NOT_THERE, stage)
    return found


def _parameters(study: str) -> dict[str, Any]:
    return _content(study, PARAMETERS, partial(flat_yaml.read, where=PARAMETERS), stages.STAGES[0])


def _content(study: str, name: str, read: Callable[[Path], Any], stage: stages.Stage) -> dict[str, Any]:
    """What a file of the report holds, nothing where it is not there, or an error with the command of its stage."""
    path = paths.report_folder(study) / name
    try:
        found = (read(path) or None) if path.is_file() else {}
    except StudyError:
        found = None
    if not isinstance(found, dict):
        raise _error(study, name, DAMAGED, stage)
    return found


def shows_people(study: str) -> bool:
    """Whether the pages may show images of people; a study without a data source shows nobody."""
    given = _parameters(study)
    return privacy.may_show(given.get("data_source"), publish_images=given.get("publish_images", False))


def index_body(study: str, found: dict[str, Any], *, pages: dict[str, str]) -> str:
    """The first page, from `metrics.json`, the figures and the resolved parameters, with links to notebooks' pages."""
    shown = {place: _figure(study, name) for place, name in FIGURES.items()}
    return html.template(layout.TEMPLATES, "index.html").render(
        study=study,
        metrics=found,
        fraction=" ".join(answers.about_fraction(found)),
        verdicts=tables.identities_by_verdict(found).to_dict("records"),
        visual=_visual_rows(found),
        pages=pages,
        sheet=_figure(study, SHEET) if shows_people(study) else None,
        parameters=_parameters(study),
        **shown,
    )


def _figure(study: str, name: str) -> str | None:
    """A figure of the report as a data address; None in a report of numbers alone."""
    path = paths.report_folder(study) / "figures" / f"{name}.png"
    return html.embedded(path.read_bytes()) if path.is_file() else None


def _visual_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The measures of image quality on the first page: the columns of `visual_table`, and paper."""
    chosen = {name: found["visual"][name] for name in OF_PRETRAINED + OF_ORACLE if name in found["visual"]}
    theirs = tables.visual_table(found["paper"]["visual"]).set_index("measure")["value"].to_dict()
    rows = tables.visual_table(chosen).replace(np.nan, None).to_dict("records")
    return [row | {"paper": theirs.get(row["measure"])} for row in rows]


def notebook_page(study: str, notebook: str, *, pages: dict[str, str], here: str) -> str:
    """An executed notebook as a page that needs no other file, with links to `pages` (titles by name) but `here`."""
    return _page(study, notebook_body(study, notebook), pages, here)


def notebook_body(study: str, notebook: str) -> str:
    """What an executed notebook's page holds, without its frame.

    Raises:
        StudyError: it did not run to its end, is damaged, or shows people that the study leaves out.
    """
    executed = _executed(study, notebook)
    if not shows_people(study):
        _check_nobody_is_shown(study, notebook, executed)
    return notebook_html.body(executed)


def _executed(study: str, notebook: str) -> nbformat.NotebookNode:
    """An executed notebook that ran to its end; of a cell that failed, the page tells."""
    path, flaw = committed.shown_notebook(study, notebook), NOT_THERE
    if path.is_file():
        try:
            found = nbformat.read(path, as_version=4)
            code = [cell for cell in found.cells if cell.cell_type == "code" and cell.source.strip()]
            flaw = None if all(cell.execution_count is not None for cell in code) else "was not run to its end"
        except Exception:  # nbformat has errors of many kinds for what is no notebook
            flaw = DAMAGED
    if flaw:
        raise _error(study, f"notebooks/{path.name}", flaw, stages.by_notebook(notebook))
    return found


def _check_nobody_is_shown(study: str, notebook: str, executed: nbformat.NotebookNode) -> None:
    """Refuse a notebook that was run when its images could be shown, in a study that leaves them out now."""
    tags = {"parameters", "injected-parameters"}
    given = [cell.source for cell in executed.cells if tags & set(cell.metadata.get("tags", []))]
    published = PUBLISHES.findall("\n".join(given))
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    images = any(kind.startswith("image/") for output in outputs for kind in output.get("data", {}))
    if images and published[-1:] != ["False"] and "publish_images" in params.declared(notebook):
        shows = "may show people, which publish_images: false leaves out"
        raise _error(study, f"notebooks/{notebook}.ipynb", shows, stages.by_notebook(notebook))
