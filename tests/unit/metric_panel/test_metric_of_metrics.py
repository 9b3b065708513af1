import numpy as np
import pytest
from small_panel import N_CLASSES, faces, rng, tools

from kpop_rca.errors import StudyError
from kpop_rca.metric_panel import METRICS, known_faces, ladders, metric_of_metrics, tables

FEW = {name: METRICS[name] for name in ("accuracy", "psnr", "brisque", "efficientnet_lite0_frechet", "fid", "cas")}
N_EACH = 26


@pytest.fixture(scope="module")
def climbed():
    n = N_CLASSES * N_EACH
    images, labels = faces(n, size=48), np.arange(n) % N_CLASSES
    found, real = ladders.build(
        (images, labels),
        tools={name: tool for name, tool in tools(images, labels).items() if name != "inception"},
        generator=rng(),
        generate=lambda each, steps, guidance: images[: N_CLASSES * each],
        grids={10: images[:3], 20: images[3:6]},
    )
    return found, real, *metric_of_metrics.climb(found, FEW, real, generator=rng(1), n_resamples=20)


def test_no_real_image_is_on_two_sides(climbed):
    found, real, *_ = climbed
    seen = {image.tobytes() for image in real.images}
    for ladder in found:
        if ladder.name in ("blur", "mixtures"):
            assert not seen & {image.tobytes() for image in ladder.samples[0].images}


def test_levels_are_as_said(climbed):
    by_name = {ladder.name: ladder for ladder in climbed[0]}
    assert [len(ladder.levels) == len(ladder.samples) for ladder in climbed[0][:-1]] == [True] * (len(by_name) - 1)
    blur, morphs = by_name["blur"], by_name["morphs"]
    assert (blur.samples[0].images == blur.samples[3].true_images).all()
    first, last = morphs.samples[0], morphs.samples[-1]
    assert sorted(first.rows) == sorted(last.rows) and (first.rows != last.rows).all()
    mixed = by_name["mixtures"].samples
    assert [len(sample) for sample in mixed] == [len(mixed[0])] * 5


def test_each_metric_sees_what_it_can(climbed):
    _, _, table, replicates = climbed
    tau = table.set_index(["metric", "ladder"])["tau"]
    assert tau["psnr", "noise"] == tau["psnr", "blur"] == 1
    assert tau["brisque", "blur"] > 0.9 and tau["efficientnet_lite0_frechet", "noise"] > 0.3
    assert tau["accuracy", "mixtures"] > 0.7 > 0.5 > abs(tau["brisque", "mixtures"])
    seen = metric_of_metrics.what_is_seen(table, replicates, FEW).set_index("metric")
    assert seen.loc["accuracy", "sees"] in ("identity", "both")
    assert seen.loc["brisque", "sees"] == "quality" and seen.loc["fid", "sees"] == ""


def test_a_shuffled_ladder_says_nothing(climbed):
    control = metric_of_metrics.control(climbed[2])
    assert control["holds"].all() and len(control) == 4


def test_what_has_no_value_has_a_reason(climbed):
    table = climbed[2]
    none = table[table["tau"].isna()]
    assert (none["why"] != "").all() and (table.loc[table["tau"].notna(), "why"] == "").all()
    assert set(none["metric"]) >= {"fid", "cas"}


def test_the_same_at_every_level_is_no_order(climbed):
    tau = climbed[2].set_index(["metric", "ladder"])["tau"]
    assert tau["brisque", "sampling steps"] == 0  # that model makes the same images at any number of steps


def test_halves_have_as_many_of_each_identity(climbed):
    blur = climbed[0][0]
    drawn = blur.resampled(rng())
    assert all((positions == drawn[0][1]).all() for _, positions in drawn)
    counts = np.bincount(blur.samples[0].labels[drawn[0][1]])
    assert len(set(counts)) == 1


def test_too_few_faces_are_refused():
    with pytest.raises(StudyError, match="panel: full needs 13"):
        ladders.build((np.zeros((20, 8, 8, 3), np.uint8), np.arange(20) % 2), tools={}, generator=rng())


def test_the_table_has_every_metric(climbed):
    found, real, *_ = climbed
    known = known_faces.known_faces({}, seed=0)
    sides = {"restored": tuple(found[0].samples[:0:-2]), "known_faces": known, "known": {"cas": 0.5}}
    table = tables.panel(METRICS, found[0].samples[2], found[0].samples[0], real, **sides).set_index("metric")
    assert list(table.index) == list(METRICS)
    assert (table["why"].eq("") == table[["generated", "avatars"]].notna().any(axis=1)).all()
    assert table.loc["cas", "generated"] == 0.5 and table.loc["psnr", "generated"] < table.loc["psnr", "real"]
    assert table.loc[["ap_11_point", "map_50_95", "mean_iou", "boundary_iou"], "avatars"].between(0.1, 1).all()
    assert table.loc["brisque", "generated"] > table.loc["brisque", "real"]
    declared = tables.declared(METRICS).set_index("metric")
    assert declared.loc["fid", "invariant to duplicates"] == "no" and "duplicates" in declared.loc["fid", "reasons"]
