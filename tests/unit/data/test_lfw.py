"""The LFW downloader, without a network."""

from pathlib import Path
from urllib.error import URLError

import pytest

from kpop_rca.data import lfw
from kpop_rca.errors import StudyError


def test_unreachable_download_says_what_to_do(tmp_path: Path, monkeypatch) -> None:
    def unreachable(**_: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("sklearn.datasets.fetch_lfw_people", unreachable)
    with pytest.raises(StudyError, match="no route to host") as caught:
        lfw.download(tmp_path)
    assert len(str(caught.value).splitlines()) == 2
    assert "data_root" in str(caught.value)


def test_unpacking_that_was_cut_short_starts_anew(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "lfw_home" / "lfw_funneled"
    (folder / "Half_A_Person").mkdir(parents=True)
    folder.with_name("lfw-funneled.tgz").touch()

    def fetch(*, data_home: Path, **_: object) -> None:
        assert not folder.exists()
        (data_home / "lfw_home" / "lfw_funneled" / "Ann_Example").mkdir(parents=True)

    monkeypatch.setattr("sklearn.datasets.fetch_lfw_people", fetch)
    assert [p.name for p in lfw.download(tmp_path).iterdir()] == ["Ann_Example"]


def test_complete_download_is_kept(tmp_path: Path, monkeypatch) -> None:
    person = tmp_path / "lfw_home" / "lfw_funneled" / "Ann_Example"
    person.mkdir(parents=True)
    monkeypatch.setattr("sklearn.datasets.fetch_lfw_people", lambda **_: None)
    assert lfw.download(tmp_path) == person.parent
    assert person.exists()
