"""Sweeps: names of small studies, and what their levels set."""

import pytest

from kpop_rca.diffusion.unet import build_unet
from kpop_rca.errors import StudyError
from kpop_rca.study import params, stages, sweeps

CLAIMS = params.resolve("claims")


@pytest.mark.parametrize(
    ("study", "expected"),
    [
        ("claims.guidance=0.5-seed2", {"guidance": 0.5}),
        ("claims.sampler=ddpm-1000-seed0", {"sampler": "ddpm", "sampling_steps": 1000, "guidance": 0.0}),
        ("claims.labels=as-found-seed1", {"exclude_flags": []}),
        ("claims.dominance=more-pictures-seed1", {"idols_first_times": 3}),
        ("claims.size=16", {"image_size": 16, "channels": [48, 96, 192], "attention_size": 4}),
        ("claims-seed1", {}),
        ("quick", {}),
    ],
)
def test_a_level_sets_what_its_name_says(study, expected):
    assert sweeps.overrides(study, CLAIMS) == expected


def test_the_network_of_every_size_has_the_same_parts():
    """With attention at one side in pixels, the largest size had none at all, and the sizes differed in that, too."""
    parts = []
    for size in CLAIMS["sweep_sizes"]:
        resolved = params.resolve(f"claims.size={size}-seed0")
        shape = {name: resolved[name] for name in ("image_size", "channels", "layers_per_block", "attention_size")}
        unet = build_unet(**shape, n_classes=3)
        parts.append([name for name, _ in unet.named_parameters()])
    assert parts[0] == parts[1] == parts[2]
    assert any("down_blocks" in name and "attentions" in name for name in parts[0])


def test_a_training_until_the_loss_is_flat_has_a_learning_rate_that_stays():
    """A schedule that ends at 0 makes any loss flat."""
    for size in CLAIMS["sweep_longer"]:
        long, short = (params.resolve(f"claims.{kind}={size}-seed0") for kind in ("longer", "size"))
        changed = {name for name in long if long[name] != short[name]} - {"study"}
        assert changed == {"learning_rate_schedule", "train_steps", "ema_half_life"}
        assert long["learning_rate_schedule"] == "constant"


def test_studies_and_seeds_are_read_alike_by_every_command():
    assert sweeps.named("a,b", "0, 1") == ["a-seed0", "a-seed1", "b-seed0", "b-seed1"]
    assert sweeps.named("quick,", "0,") == ["quick-seed0"] and sweeps.named("quick,") == ["quick"]
    assert sweeps.named(["a"], [3]) == ["a-seed3"]
    with pytest.raises(StudyError, match="'x' is none"):
        sweeps.named("quick", "0,x")


def test_a_member_is_the_base_but_for_its_level_and_seed():
    member, base = params.resolve("claims.guidance=0.5-seed2"), params.resolve("claims-seed2")
    assert {name for name in base if member[name] != base[name]} == {"study", "guidance"}
    assert member["seed"] == 2


@pytest.mark.parametrize("study", ["claims.guidence=1-seed0", "claims.labels=dirty-seed0", "claims.size=big-seed0"])
def test_what_does_not_exist_is_named(study):
    with pytest.raises(StudyError, match=study):
        params.resolve(study)


def test_a_level_out_of_range_is_refused():
    with pytest.raises(StudyError, match="guidance is 99"):
        params.resolve("claims.guidance=99-seed0")


def test_every_level_has_a_study_a_seed_and_the_base_stands_for_its_own_level():
    small = CLAIMS | {name: [] for name in CLAIMS if name.startswith("sweep_") and name != "sweep_seeds"}
    members = sweeps.members(small | {"sweep_seeds": 2, "sweep_guidance": [0.0, CLAIMS["guidance"]]})
    assert [(m.level, m.seed, m.study) for m in members] == [
        ("0", 0, "claims.guidance=0-seed0"),
        ("0", 1, "claims.guidance=0-seed1"),
        ("1.5", 0, "claims-seed0"),
        ("1.5", 1, "claims-seed1"),
    ]


def test_a_size_that_the_base_has_no_use_for_is_cropped_for_its_level():
    base = CLAIMS | {"face_sizes": [32]}
    assert sweeps.overrides("claims.size=64-seed0", base)["face_sizes"] == [32, 64]
    assert "face_sizes" not in sweeps.overrides("claims.size=32-seed0", base)


def test_every_member_of_the_sweeps_in_the_project_resolves():
    for member in sweeps.members(CLAIMS):
        assert params.resolve(member.study)["seed"] == member.seed


def test_a_sweep_with_a_seed_in_its_name_is_refused():
    with pytest.raises(StudyError, match="sweep_seeds"):
        sweeps.members(params.resolve("claims-seed3"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sweep_guidance": [1.0]}, "sweep_guidance is .* two levels or more"),
        ({"sweep_guidance": [0.0, 1.0, 1]}, "sweep_guidance is .* each once"),
        ({"sweep_labels": ["as-found", "excluded"]}, "has as-found without clean"),
    ],
)
def test_a_sweep_that_cannot_be_compared_is_refused_before_it_runs(changed, message):
    with pytest.raises(StudyError, match=message):
        sweeps.members(CLAIMS | changed)


def test_a_study_without_a_sweep_has_no_members():
    quick = params.resolve("quick")
    assert sweeps.members(quick) == []
    assert stages.CLAIMS not in stages.of_study(quick)
    assert stages.of_study(CLAIMS) == (stages.CLAIMS,)


def test_a_small_study_by_itself_ends_at_its_images():
    for study in ("claims-seed1", "claims.guidance=0-seed1"):
        assert params.works(study) == stages.OF_SMALL_STUDY
    assert params.works("claims") == (stages.CLAIMS,)
    assert params.works("quick-seed1") == stages.STAGES
