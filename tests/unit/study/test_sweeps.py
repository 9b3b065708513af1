"""Sweeps: names of small studies, what their levels set, and what they borrow."""

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
        ("claims.size=32", {"image_size": 32, "attention_size": 8}),
        ("claims-seed1", {}),
        ("quick", {}),
    ],
)
def test_a_level_sets_what_its_name_says(study, expected):
    assert sweeps.overrides(study, CLAIMS) == expected


def test_the_network_of_every_size_is_the_same_but_for_its_size():
    """With attention at one side in pixels, the largest size had none at all, and the sizes differed in that, too."""
    networks = [params.resolve(f"claims.size={size}-seed0") for size in CLAIMS["sweep_sizes"]]
    parts = []
    for resolved in networks:
        shape = {name: resolved[name] for name in ("image_size", "channels", "layers_per_block", "attention_size")}
        unet = build_unet(**shape, n_classes=3)
        parts.append([(name, value.shape) for name, value in unet.state_dict().items()])
    assert parts[0] == parts[1] == parts[2]
    assert any("down_blocks" in name and "attentions" in name for name, _ in parts[0])


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
        ("1", 0, "claims-seed0"),
        ("1", 1, "claims-seed1"),
    ]


def test_a_level_too_dear_is_run_once():
    small = CLAIMS | {name: [] for name in CLAIMS if name.startswith("sweep_") and name != "sweep_seeds"}
    members = sweeps.members(small | {"sweep_seeds": 3, "sweep_sizes": [16, 64], "sweep_one_seed": ["size=64"]})
    assert [(m.level, m.seed) for m in members] == [("16", 0), ("16", 1), ("16", 2), ("64", 0)]


def test_a_size_that_the_base_has_no_use_for_is_cropped_for_its_level():
    large, base = params.resolve("claims.size=64-seed0"), params.resolve("claims-seed0")
    assert 64 in large["face_sizes"]
    assert 64 not in base["face_sizes"]
    assert params.owner("claims.size=64-seed0", "audit") == "claims-seed0"
    assert params.owner("claims.size=64-seed0", "faces") == "claims.size=64-seed0"
    assert params.owner("claims.size=32-seed0", "faces") == "claims-seed0"


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
        ({"sweep_one_seed": ["guidance=2.0"]}, "'guidance=2.0', which is no level"),
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


@pytest.mark.parametrize(
    ("level", "own"),
    [
        ("guidance=0", {"generated"}),
        ("jitter=0", {"oracle"}),
        ("size=32", {"ddpm", "oracle", "generated"}),
        ("labels=as-found", {"faces", "ddpm", "oracle", "generated"}),
        ("alikeness=0.6", {"audit", "faces", "ddpm", "oracle", "generated"}),
    ],
)
def test_a_member_makes_what_its_level_changes_and_borrows_the_rest(level, own):
    """Worked out by hand from what each notebook reads; a stage that is shared by mistake would mix up two levels."""
    member = f"claims.{level}-seed1"
    folders = ["audit", "faces", "ddpm", "oracle", "generated"]
    assert {folder for folder in folders if params.owner(member, folder) == member} == own
    assert {params.owner(member, folder) for folder in folders} <= {member, "claims-seed1"}
