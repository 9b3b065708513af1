"""How often copiers are found and honest generators accused, at the numbers of images of this study and of the paper.

Five minutes on one core.
"""

import copiers
import pytest


def found(sizes, *, copied, draws):
    return sum(copiers.verdict(*sizes, copied=copied, seed=seed)["copies"] for seed in range(draws))


@pytest.mark.parametrize("sizes", copiers.SIZES)
def test_copiers_are_found_and_honest_generators_are_not_accused(figures, sizes):
    full, some = found(sizes, copied=1, draws=20), found(sizes, copied=0.12, draws=20)
    accused = found(sizes, copied=0, draws=60)
    figures[f"copying, {sizes[0]} training and {sizes[1]} held-out images of each class"] = (
        f"full copier found {full}/20, copier of 12 % found {some}/20, honest one accused {accused}/60"
    )
    assert full == 20
    assert some >= 18
    assert accused <= 1
