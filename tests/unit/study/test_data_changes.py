"""Photographs that change behind the audit's back, and files of the report that change behind the study's."""

import json
import os
import re
import shutil

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from small_report import write_executed_copy

from kpop_rca import verify
from kpop_rca.data import data_files
from kpop_rca.errors import StudyError
from kpop_rca.results import pages
from kpop_rca.study import given, manifests, params, paths, stage_run, stages
from kpop_rca.system import files

OF_02 = params.of_notebook("02_preprocessing", params.resolve("smoke"))


@pytest.fixture(autouse=True)
def nothing_given():
    yield
    given.give()


@pytest.fixture
def photographs(tmp_path):
    """A data folder; pictures of equal size, which need not be pictures here."""
    for name in ("ada/1.jpg", "ada/2.jpg", "bo/1.jpg"):
        path = tmp_path / "people" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "people"


@pytest.fixture
def study(output, photographs):
    """The stages of `smoke`, finished, the first with the data folder; a figure and a table of each, and metrics."""
    for stage in stages.STAGES:
        made = stage_run.begin(stage.notebook, params.of_notebook(stage.notebook, params.resolve("smoke")))
        if stage.folder == "audit":
            files.write_json(made.folder / "source.json", {"root": str(photographs), "source": "folder"})
        made.save_figure(plt.figure(figsize=(1, 1)), f"{stage.notebook[:2]}_a")
        made.save_table(pd.DataFrame({"a": [1]}), f"{stage.notebook[:2]}_a")
        if stage.folder == "quality":
            made.save_metrics({"a": 1})
        made.finish()
        write_executed_copy("smoke", stage.notebook)
    plt.close("all")
    return output


def lines(capsys, status=1):
    capsys.readouterr()
    assert verify.main(["smoke"]) == status
    return {line.partition(": ")[0].split()[1]: line for line in capsys.readouterr().out.splitlines()}


def exchange(path):
    """Other contents of the same size and time."""
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {
    "before: 3 files, .*; now: 3 files": lambda root: exchange(root / "ada/1.jpg"),
    "before: 3 files, .*; now: 2 files": lambda root: (root / "bo/1.jpg").unlink(),
    "before: 3 files, .*; now: 4 files": lambda root: (root / "bo/2.jpg").write_bytes(b"x"),
}


@pytest.mark.parametrize(("said", "change"), CHANGES.items(), ids=range(3))
def test_photographs_that_changed_make_the_audit_stale(study, photographs, capsys, said, change):
    lines(capsys, status=0)
    change(photographs)
    with pytest.raises(StudyError, match=rf"{said}, \w+\); run: \S*python -m kpop_rca.run 01_data_audit --study smoke"):
        stage_run.begin("02_preprocessing", OF_02)
    found = lines(capsys)
    assert re.search(rf"stale: the photographs have changed \({said}, \w+\); run:", found["01_data_audit"])
    assert "stale: audit is stale" in found["02_preprocessing"]


def test_the_same_photographs_elsewhere_are_the_same(study, photographs, tmp_path, capsys):
    before = manifests.read(study / "artifacts/smoke/audit")["data"]["photographs"]
    (photographs / ".DS_Store").write_text("x")
    (photographs / ".thumbnails").mkdir()
    (photographs / ".thumbnails" / "1.jpg").write_text("x")
    moved = photographs.rename(tmp_path / "moved")
    assert data_files.fingerprint(moved) == before != data_files.fingerprint(moved / "ada")


def test_an_audit_of_exchanged_photographs_is_another_even_where_it_finds_the_same(study, photographs):
    before = manifests.identity_of("smoke", "audit")
    exchange(photographs / "ada/1.jpg")
    parameters = params.of_notebook("01_data_audit", params.resolve("smoke"))
    stage_run.begin("01_data_audit", parameters).finish()
    assert manifests.identity_of("smoke", "audit") != before
    with pytest.raises(StudyError, match="faces is stale: made from an earlier audit"):
        manifests.require("smoke", "faces", params.resolve("smoke"))


def test_labels_given_by_hand_after_01_make_the_audit_stale(study, capsys):
    """Also those that are given while it runs, and may have come too late to be read."""
    labels = study / "data/hand_labels/smoke.csv"
    labels.parent.mkdir(parents=True)
    labels.write_text("path,label\nada/1.jpg,wrong_person\n")
    said = "the labels given by hand have changed (before: none; now: "
    with pytest.raises(StudyError, match=rf"{re.escape(said)}\w+\); run: \S*python -m kpop_rca.run 01_da"):
        stage_run.begin("02_preprocessing", OF_02)
    found = lines(capsys)
    assert f"smoke 01_data_audit: stale: {said}" in found["01_data_audit"]
    assert "stale: audit is stale" in found["02_preprocessing"]
    for stage in stages.STAGES:
        made = stage_run.begin(stage.notebook, params.of_notebook(stage.notebook, params.resolve("smoke")))
        if stage.folder == "oracle":
            labels.write_text("path,label\n")
            labels.write_text("path,label\nada/1.jpg,wrong_person\n")  # the same again
        made.finish()
        write_executed_copy("smoke", stage.notebook)
    assert ": complete" in lines(capsys, status=0)["01_data_audit"]
    made = stage_run.begin("01_data_audit", params.of_notebook("01_data_audit", params.resolve("smoke")))
    labels.write_text("path,label\n")
    made.finish()
    assert "the labels given by hand have changed" in lines(capsys)["01_data_audit"]


def test_whether_people_are_shown_changes_no_number_and_makes_stale(study, capsys):
    """As the graph has it."""
    given.give(["publish_images=true"])
    before = params.resolve("smoke")
    readers = [s for s in stages.STAGES if "publish_images" in params.declared(s.notebook)]
    assert verify.main(["smoke", "--set", "publish_images=true"]) == 1
    found = capsys.readouterr().out
    for stage in readers:
        assert f"{stage.notebook}: stale: publish_images was False and is True" in found
    given.give()
    assert readers and manifests.compared(before) == manifests.compared(params.resolve("smoke"))
    lines(capsys, status=0)


def test_another_data_folder_is_stale_where_its_photographs_are_others(study, photographs, tmp_path):
    """However it is named; and a folder that a command was told need not be told again."""
    shutil.copytree(photographs, tmp_path / "copy")
    given.give([f"data_root={photographs}", "data_source=folder"])
    values = params.of_notebook("01_data_audit", params.resolve("smoke"))
    made = stage_run.begin("01_data_audit", values)
    files.write_json(made.folder / "source.json", {"root": str(photographs), "source": "folder"})
    made.finish()

    def changed(data_root):
        given.give([f"data_root={data_root}"] if data_root else [])
        wanted = values | {"data_root": data_root}
        return bool(manifests.differences(made.folder, made.stage, wanted, parts=["data", "parameters"]))

    found = {root: changed(root) for root in ("", str(photographs), f"{photographs}/../copy/", f"{photographs}/ada")}
    assert list(found.values()) == [False, False, False, True]


def test_links_pipes_and_hidden_files_of_the_data_folder_are_not_opened(photographs, tmp_path):
    os.mkfifo(photographs / "ada" / "pipe.jpg")
    (tmp_path / "outside.jpg").write_bytes(b"1")
    (photographs / "ada" / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    before = data_files.fingerprint(photographs)
    assert before.startswith("3 files")
    (tmp_path / "outside.jpg").write_bytes(b"2")
    assert data_files.fingerprint(photographs) == before
    (photographs / "ada" / "link.jpg").unlink()
    (photographs / "ada" / "link.jpg").symlink_to("1.jpg")
    assert data_files.fingerprint(photographs) != before


@pytest.mark.parametrize("name", ["metrics.json", "figures/09_a.png", "tables/09_a.csv"])
def test_a_file_of_the_report_that_was_altered_is_named_and_stops_no_later_stage(study, capsys, name):
    path = study / "reports/smoke" / name
    path.write_text("other")
    command = f"{paths.python()} -m kpop_rca.run 09_image_quality --study smoke"
    line = f"smoke 09_image_quality: altered in the report: {{}} ({{}}); run: {command}"
    found = lines(capsys)
    assert found["09_image_quality"] == line.format(name, "other contents")
    assert ": complete" in found["07_rca_validity"]
    path.unlink()
    assert lines(capsys)["09_image_quality"] == line.format(name, "gone")


@pytest.fixture
def with_pages(study, monkeypatch):
    """The study with its report's pages, whose contents do not matter here."""
    folder = paths.report_folder("smoke")
    (folder / "params.yaml").write_text("seed: 0\n")
    for stage in stages.STAGES:
        nbformat.write(nbformat.v4.new_notebook(), paths.executed_notebook("smoke", stage.notebook))
        manifests.record_executed("smoke", stage)
    monkeypatch.setattr(pages, "index_body", lambda study, metrics, pages: "<p></p>")
    monkeypatch.setattr(pages, "metrics", lambda study: {})
    pages.build("smoke")
    return folder


def test_pages_of_the_report_are_checked_too(with_pages, capsys):
    assert lines(capsys, status=0)["report"] == "smoke report: complete"
    (with_pages / "index.html").write_text("other")
    mending = f"; run: {paths.python()} -m kpop_rca.report --study smoke"
    assert lines(capsys)["report"] == f"smoke report: altered: index.html (other contents){mending}"
    (with_pages / "index.html").unlink()
    assert lines(capsys)["report"] == f"smoke report: altered: index.html (gone){mending}"
    pages.build("smoke")
    notebook = with_pages / "notebooks/03_ddpm_training.ipynb"
    before = notebook.read_text()
    notebook.write_text(json.dumps(json.loads(before) | {"nbformat_minor": 4}))
    assert lines(capsys)["report"] == f"smoke report: stale: made from an earlier notebooks/{notebook.name}{mending}"
    notebook.write_text(before)
    pages.build("smoke")
    record = json.loads(paths.report_record("smoke").read_text())
    files.write_json(paths.report_record("smoke"), record | {"code": {"pages": "earlier"}})
    assert lines(capsys)["report"] == f"smoke report: stale: the code has changed since{mending}"
    pages.build("smoke")
    lines(capsys, status=0)
