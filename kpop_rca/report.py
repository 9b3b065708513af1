"""The report of a study: one page that opens with the answer, and the notebooks as pages beside it.

python -m kpop_rca.report --study quick
"""

import argparse
import base64
import re
import sys
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import yaml
from traitlets.config import Config

from kpop_rca import (
    cells,
    disk,
    fingerprint,
    loading,
    manifests,
    metrics_tables,
    params,
    paths,
    privacy,
    stages,
    sweeps,
)
from kpop_rca.errors import StudyError

with loading.left_out(*loading.IDLE):
    import nbformat
    from nbconvert import HTMLExporter

PAGE_TITLES = {
    "01_data_audit": "1 Data audit",
    "02_preprocessing": "2 Preprocessing",
    "03_ddpm_training": "3 Training",
    "04_oracle_benchmark": "4 Judges",
    "05_generation": "5 Generation",
    "06_rca_analysis": "6 RCA",
    "07_rca_validity": "7 Validity",
}
# Studies of which one notebook is the whole report, by the parameter that asks for it: the stage, the title of the
# page, and the table whose verdicts are the answer.
ALONE = {
    "sweep_seeds": (stages.CLAIMS, "8 Claims", "08_verdicts"),
    "bench_repeats": (stages.BENCHMARKS, "90 Benchmarks", "90_ratios"),
}
# What a notebook was told about showing people: in its parameters cell, then in the one that the runner put in.
PUBLISHES = re.compile(r"^publish_images(?:: bool)? = (True|False)", re.M)
COLAB_BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)\n*")


# Of the many measures of image quality, those on the first page; all of them are in metrics.json and notebook 06.
ON_FIRST_PAGE = (
    "fid",
    "kid",
    "is",
    "lpips_diversity",
    "dinov2_frechet",
    "facenet_frechet",
    "judge_frechet",
    "judge_precision",
    "judge_recall",
    "judge_coverage",
    "judge_feature_diversity",
)


def build(study: str) -> Path:
    """Write `reports/<study>/index.html` and a page a notebook; needs nothing but the study's own report folder.

    Of a sweep, and of benchmarks, the one notebook that compares is the whole report.

    Returns:
        The path of the index.

    Raises:
        StudyError: the study has not run to the end, or one of its files is damaged.
    """
    read_from = {name: disk.sha256(path) for name, path in sources(study).items()}
    pages = _build_alone(study) if _alone(study) else _build_pages(study)
    folder = paths.report_folder(study)
    hashes = {path.name: disk.sha256(path) for path in pages}
    record = {"sources": read_from, "pages": hashes, "code": code(), privacy.SHOWS_PEOPLE: _shows_people(study)}
    disk.write_json(paths.report_record(study), record)
    return folder / "index.html"


def _build_alone(study: str) -> list[Path]:
    folder = paths.report_folder(study)
    stage, title, table = _alone(study)
    if not (folder / "tables" / f"{table}.csv").is_file():
        whole = manifests.command_of_all(study, last=stage)
        raise StudyError(f"reports/{study}/tables/{table}.csv is not there; run: {whole}")
    page = notebook_page(study, stage.notebook, pages={"index": title}, here="index")
    return [_write(folder / "index.html", page)]


def _build_pages(study: str) -> list[Path]:
    folder = paths.report_folder(study)
    metrics, written = _metrics(study), []
    for stage in stages.STAGES:
        page = notebook_page(study, stage.notebook, pages=PAGE_TITLES, here=stage.notebook)
        written.append(_write(folder / f"{stage.notebook}.html", page))
    return [*written, _write(folder / "index.html", index_page(study, metrics))]


def sources(study: str) -> dict[str, Path]:
    """What the pages of a study are written from, by name within its report folder: metrics, parameters, notebooks.

    The figures on the first page are in the notebooks too, and change with them.
    """
    folder = paths.report_folder(study)
    notebooks = [paths.executed_notebook(study, stage.notebook) for stage in stages.EVERY]
    found = [folder / "metrics.json", folder / "params.yaml", *notebooks]
    return {path.relative_to(folder).as_posix(): path for path in found if path.is_file()}


def code() -> str:
    """Hash of what writes a report: this module, what it imports, and the templates."""
    return fingerprint.of_modules("report")


def record_of(study: str) -> dict[str, Any] | None:
    """What `build` noted of a study's report: hashes of `sources`, `pages` and `code`; None where it wrote none."""
    path = paths.report_record(study)
    if not path.is_file():
        return None
    found = disk.read_json(path)
    if not isinstance(found, dict) or not all(isinstance(found.get(key), dict) for key in ("sources", "pages")):
        raise StudyError(f"{path} is damaged; run: {command(study)}")
    return found


def command(study: str) -> str:
    """The command that writes a study's report again."""
    return f"{paths.python()} -m kpop_rca.report --study {study}"


def _alone(study: str) -> tuple[stages.Stage, str, str] | None:
    """The entry of ALONE that a study's resolved parameters ask for; None for the study itself."""
    parameters = _parameters(study)
    return next((about for name, about in ALONE.items() if parameters.get(name)), None)


def _parameters(study: str) -> dict[str, Any]:
    """The parameters of a study as its report holds them; none where there is no such file."""
    path = paths.report_folder(study) / "params.yaml"
    if not path.is_file():
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise StudyError(f"reports/{study}/params.yaml is damaged; run: {_first_command(study)}")
    return found


def _shows_people(study: str) -> bool:
    """Whether the pages may show pictures of people; a study that does not say of whom its faces are shows nobody."""
    given = _parameters(study)
    return privacy.may_show(given.get("data_source"), publish_images=given.get("publish_images", False))


def _check_nobody_is_shown(study: str, notebook: str, executed: nbformat.NotebookNode) -> None:
    """Refuse a notebook that was run when its pictures could be shown, in a study that leaves them out now.

    Raises:
        StudyError: names the notebook, and the command that runs it again.
    """
    given = [cell for cell in executed.cells if {"parameters", "injected-parameters"} & set(_tags(cell))]
    said = PUBLISHES.findall("\n".join(cell.source for cell in given))
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    pictures = any(kind.startswith("image/") for output in outputs for kind in output.get("data", {}))
    if pictures and said[-1:] != ["False"] and "publish_images" in params.declared(notebook):
        rerun = manifests.command(stages.by_notebook(notebook), study)
        raise StudyError(
            f"reports/{study}/notebooks/{notebook}.ipynb may show people, which publish_images: false leaves out; "
            f"run: {rerun}"
        )


def _drop_pictures_of_widgets(executed: nbformat.NotebookNode) -> None:
    """Take out the pictures that a labelling page leaves behind where someone put it into a notebook of the study."""
    for saved in executed.metadata.get("widgets", {}).values():
        models = saved.get("state", {})
        saved["state"] = {key: model for key, model in models.items() if model.get("model_name") != "ImageModel"}


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _first_command(study: str) -> str:
    return manifests.command(stages.STAGES[0], study)


def _metrics(study: str) -> dict[str, Any]:
    """`metrics.json` of a study.

    Raises:
        StudyError: it is not there, or damaged; says which command writes it again.
    """
    stage = stages.by_folder("rca")
    try:
        found = disk.read_json(paths.report_folder(study) / "metrics.json")
    except FileNotFoundError:
        whole = manifests.command_of_all(study, last=stage)
        raise StudyError(f"reports/{study}/metrics.json is not there; run: {whole}") from None
    except StudyError:
        found = None
    if not isinstance(found, dict) or "rca" not in found:
        raise StudyError(f"reports/{study}/metrics.json is damaged; run: {manifests.command(stage, study)}")
    return found


def _executed(study: str, notebook: str) -> nbformat.NotebookNode:
    """The executed copy of a notebook.

    Raises:
        StudyError: it is damaged, or its run was stopped before the end; says which command runs it again.
    """
    path = paths.executed_notebook(study, notebook)
    flaw = cells.flaw(path)
    try:
        found = nbformat.read(path, as_version=4) if flaw in (None, cells.FAILED) else None  # of that, the page tells
    except Exception:  # nbformat has errors of many kinds for what is no notebook
        found, flaw = None, "damaged"
    if found is None:
        said = {"gone": "is not there", "damaged": "is damaged"}.get(flaw, flaw)
        rerun = manifests.command(stages.by_notebook(notebook), study)
        raise StudyError(f"reports/{study}/notebooks/{path.name} {said}; run: {rerun}")
    return found


def _write(path: Path, text: str) -> Path:
    with disk.atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _environment() -> jinja2.Environment:
    """Templates beside this module; every value is escaped, since names of people come from folder names."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kpop_rca", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["number"] = format_number
    environment.filters["interval"] = format_interval
    environment.filters["p_value"] = format_p
    return environment


def format_p(value: float) -> str:
    """A p-value with its sign of relation, which rounding does not take to 0.

    >>> format_p(0.0321), format_p(0.0001)
    ('= 0.03', '< 0.01')
    """
    return "< 0.01" if value < 0.01 else f"= {value:.2f}"


def format_number(value: float | None, digits: int = 2) -> str:
    """A number for reading: fixed digits, thousands marked, a dash for what could not be computed."""
    if value is None or pd.isna(value):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def format_interval(pair: list[float] | None) -> str:
    """Both ends of an interval, a dash where there is none: a class of which the judge knows no real face."""
    return "–" if pair is None else f"{format_number(pair[0])} to {format_number(pair[1])}"


def embedded(path: Path) -> str:
    """A PNG as a data address, so that the page needs no other file."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def index_page(study: str, metrics: dict[str, Any]) -> str:
    """The first page, from `metrics.json`, the figures and the resolved parameters."""
    folder = paths.report_folder(study)
    return (
        _environment()
        .get_template("index.html")
        .render(
            study=study,
            metrics=metrics,
            visual=visual_rows(metrics),
            pages=PAGE_TITLES,
            here="index",
            sheet=embedded(folder / "figures" / "05_real_beside_generated.png") if _shows_people(study) else None,
            identity=embedded(folder / "figures" / "06_identity.png"),
            by_judge=embedded(folder / "figures" / "06_by_judge.png"),
            confusions=embedded(folder / "figures" / "06_fig7_confusions.png"),
            parameters=_parameters(study),
        )
    )


def visual_rows(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """The measures of image quality as rows of a table: measure, value, real, paper, features, why."""
    chosen = {name: metrics["visual"][name] for name in ON_FIRST_PAGE if name in metrics["visual"]}
    rows = metrics_tables.visual_table(chosen).replace(np.nan, None).to_dict("records")
    theirs = metrics["paper"]["visual"]
    for row in rows:
        paper = theirs.get(row["measure"], {})
        row["paper"] = paper.get("value", paper.get("mean"))
    return rows


def notebook_page(study: str, notebook: str, *, pages: dict[str, str], here: str) -> str:
    """An executed notebook as a page that needs no other file, with links to the others.

    Args:
        study: name of the study.
        notebook: which.
        pages: titles of the study's pages by file name without ending.
        here: this page's.
    """
    source = _executed(study, notebook)
    if not _shows_people(study):
        _check_nobody_is_shown(study, notebook, source)
        _drop_pictures_of_widgets(source)
    for cell in source.cells:
        if cell.cell_type == "markdown":
            cell.source = COLAB_BADGE.sub("", cell.source)  # its picture lies on another server
    config = Config()
    config.HTMLExporter.update(mathjax_url="", require_js_url="", embed_images=True)
    config.HTMLExporter.preprocessors = ["nbconvert.preprocessors.TagRemovePreprocessor"]
    config.TagRemovePreprocessor.remove_cell_tags = {"colab"}
    exporter = HTMLExporter(config=config)
    body, _ = exporter.from_notebook_node(source, {"metadata": {"name": f"{study} · {notebook}"}})
    navigation = _environment().get_template("navigation.html").render(study=study, pages=pages, here=here)
    return re.sub(r"(<body[^>]*>)", lambda match: match.group(1) + str(navigation), body, count=1)


def answer(study: str) -> str:
    """The study's result in one line, and where its report is."""
    folder = paths.report_folder(study)
    if alone := _alone(study):
        counts = pd.read_csv(folder / "tables" / f"{alone[-1]}.csv")["verdict"].value_counts()
        said = ", ".join(f"{n} {name}" for name, n in counts.items())
        return f"{study}: of {counts.sum()} comparisons {said}; open {folder / 'index.html'}"
    metrics = _metrics(study)
    found = metrics["rca"]
    return (
        f"{study}: RCA {format_number(found['global'])} (95 % interval {format_interval(found['ci95'])}, "
        f"chance {format_number(found['chance'])}); open {folder / 'index.html'}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.report", description="Write a study's report.")
    parser.add_argument("--study", action="append", default=[], help="write the report of this study")
    parser.add_argument("--where", action="append", default=[], help="print the result of these, comma-separated")
    parser.add_argument("--seeds", help="with --where: the seeds, comma-separated")
    options = parser.parse_args(arguments)
    try:
        for study in options.study:
            build(study)
        for study in sweeps.named(",".join(options.where), options.seeds or "") if options.where else []:
            print(answer(study))
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
