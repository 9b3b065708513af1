import nbformat
import pytest

from kpop_rca.study import colab, paths, stages

HOME = "https://github.com/somebody/kpop_rca"


def notebook(name="06_rca_analysis"):
    return nbformat.read(paths.notebook_source(name), as_version=4)


@pytest.mark.parametrize("name", [stage.notebook for stage in stages.EVERY])
def test_every_notebook_has_the_projects_address_and_no_other(name):
    expected = colab.opened(notebook(name), name=name, address=colab.repository())
    assert [cell.source for cell in notebook(name).cells] == [cell.source for cell in expected.cells]


def test_with_an_address_there_is_a_badge_and_without_one_it_goes():
    homely = colab.opened(notebook(), name="06_rca_analysis", address=HOME)
    place = "https://colab.research.google.com/github/somebody/kpop_rca/blob/main/notebooks/06_rca_analysis.ipynb"
    assert homely.cells[0].source.split("\n\n")[1].endswith(f"({place})")
    assert any(f'repository = "{HOME}"' in cell.source for cell in homely.cells)
    homeless = colab.opened(homely, name="06_rca_analysis", address="")
    assert "colab" not in homeless.cells[0].source
    assert any('repository = ""' in cell.source for cell in homeless.cells)


def test_colab_opens_no_other_host():
    assert colab.badge("06_rca_analysis", "https://example.org/kpop_rca") == ""
