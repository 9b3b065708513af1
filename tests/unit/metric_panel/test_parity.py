from small_panel import case

from kpop_rca.metric_panel.parity import parity, table


def test_ours_are_those_of_other_programs():
    tried = case(size=48)
    found = parity(tried.generated, tried.real)
    assert len(found) == 9 and found["holds"].all(), found
    assert (found["ours"].abs() > 0).all()


def test_a_number_that_differs_is_found():
    assert table([("FID", "another", 1.0, 1e-5, 1.1), ("FID", "another", 1.0, 1e-5, 1.0)])["holds"].tolist() == [
        False,
        True,
    ]
