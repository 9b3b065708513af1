import pandas as pd
import pytest
from PIL import Image

from kpop_rca import avatars
from kpop_rca.data import identity_folders, sources
from kpop_rca.errors import StudyError
from kpop_rca.faces import audit_files, audit_tables
from kpop_rca.study import params, paths


class Bar:
    """Stands where tqdm does, and counts."""

    made = ()

    def __init__(self, **settings):
        self.n, self.total = 0, None
        Bar.made = (*Bar.made, self)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def update(self, by):
        self.n += by


def parameters(**changed):
    tiny = {"n_identities": 2, "idols_size": 96, "idols_train_per_identity": 3, "idols_test_per_identity": 2}
    return params.of_notebook("01_data_audit", params.resolve("smoke")) | tiny | changed


def test_avatars_are_rendered_once_and_shared_between_studies(output):
    root = sources.prepare(parameters(), bar=Bar)
    assert Bar.made[-1].n == Bar.made[-1].total > 0
    assert sources.prepare(parameters(study="other"), bar=Bar) == root
    assert Bar.made[-1].n == 0
    assert sources.prepare(parameters(seed=5), bar=Bar) != root
    photographs = identity_folders.scan(root)
    counts = audit_tables.photographs_of_each(photographs)
    assert counts["normal train"].tolist() == [3, 3]
    assert counts["normal test"].tolist() == [2, 2]
    assert not avatars.read_truth(root).empty


def test_a_folder_is_taken_as_it_is(output, tmp_path):
    root = tmp_path / "people"
    root.mkdir()
    assert sources.prepare(parameters(data_source="folder", data_root=str(root)), bar=Bar) == root


@pytest.mark.parametrize(
    ("data_root", "expected"), [("", "names none; set it, or pass DATA_ROOT"), ("no/where", "'no/where' is no folder")]
)
def test_a_folder_that_is_not_there_is_named(output, data_root, expected):
    with pytest.raises(StudyError, match=expected):
        sources.prepare(parameters(data_source="folder", data_root=data_root), bar=Bar)


def test_a_relative_data_root_lies_in_the_project():
    assert paths.resolve_data_root("data/lfw") == paths.project_root() / "data/lfw"
    assert str(paths.resolve_data_root("/somewhere")) == "/somewhere"


def test_photographs_that_moved_are_named(tmp_path):
    audit_files.save_audit(tmp_path, pd.DataFrame(), root=tmp_path / "gone", source="folder")
    with pytest.raises(StudyError, match="bring it back or run 01 again"):
        audit_files.load_audit(tmp_path)


def test_flat_folders_are_counted_as_photographs(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (32, 32)).save(tmp_path / name / "0.png")
    counts = audit_tables.photographs_of_each(identity_folders.scan(tmp_path))
    assert counts.to_dict() == {"photographs": {"a": 1, "b": 1}}
