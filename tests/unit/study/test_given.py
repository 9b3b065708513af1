"""Values that a command is told in place of the study file's."""

import argparse
import shlex

import pytest

from kpop_rca import launch, run
from kpop_rca.errors import StudyError
from kpop_rca.study import given, manifests, params, stages, sweeps


@pytest.fixture(autouse=True)
def nothing_given():
    yield
    given.give()


def test_a_given_value_takes_the_place_of_the_files():
    before = params.resolve("smoke")
    given.give(
        ["data_root=x y", "train_steps=7", "guidance=2", "architectures=[resnet18, resnet34]", "look_alike_groups="]
    )
    changed = {"train_steps": 7, "guidance": 2.0, "architectures": ["resnet18", "resnet34"], "look_alike_groups": ""}
    given_too = {"data_root": "x y"}
    with pytest.raises(StudyError, match="seen_oracles names resnet10"):
        params.resolve("smoke")
    given.give([*given_settings(changed | given_too), "seen_oracles=[]"])
    assert params.resolve("smoke") == before | changed | given_too | {"seen_oracles": []}


def given_settings(values):
    return [f"{name}={value}" for name, value in values.items()]


def test_the_same_value_in_the_file_is_the_same_study(tmp_path, monkeypatch):
    file = tmp_path / "mine.yaml"
    monkeypatch.setattr(params.paths, "study_file", lambda study: file)
    file.write_text("n_identities: 4\nlook_alike_groups: ''\ntrain_steps: 7\nexclude_flags: []\n")
    of_file = params.resolve("mine")
    file.write_text("n_identities: 4\nlook_alike_groups: ''\ntrain_steps: 900\n")
    given.give(["train_steps=7", "exclude_flags=[]"])
    assert params.resolve("mine") == of_file
    given.give(["train_steps=7", "exclude_flags=[]", "seed=5"])
    assert params.resolve("mine") == of_file | {"seed": 5}
    assert params.resolve("mine-seed3") == of_file | {"study": "mine-seed3", "seed": 3}


def test_a_sweep_varies_what_was_given():
    """A member is named for what it changes of the study as it was given."""
    study = "claims-smoke"
    given.give(["guidance=2.0"])
    found = {(m.experiment, m.level): m.study for m in sweeps.members(params.resolve(study))}
    assert found["guidance", "2"] == f"{study}-seed0"
    assert found["guidance", "0"] == f"{study}.guidance=0-seed0"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("train_step=3", "--set: no notebook declares the parameter 'train_step'; did you mean 'train_steps'?"),
        ("train_steps=none", "--set: train_steps is 'none' \\(str\\); expected integer"),
        ("train_steps", "--set 'train_steps': expected name=value"),
        ("=3", "expected name=value"),
        ("study=other", "a study is named by --study"),
        ("oracles=[resnet10", "--set oracles: not readable as YAML"),
        ("oracles=*x", "--set oracles: not readable as YAML: line 1: anchors"),
        ("hand_labels=2020-01-01", "--set: hand_labels is datetime.date"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(setting, expected):
    with pytest.raises(StudyError, match=expected):
        given.give([setting])
        params.resolve("smoke")


def test_a_name_is_given_once():
    with pytest.raises(StudyError, match="names seed twice"):
        given.give(["seed=1", "seed=2"])


def test_the_error_of_values_that_do_not_fit_each_other_names_what_was_given():
    given.give(["image_size=64"])
    with pytest.raises(StudyError, match=r"params/claims\.yaml --set image_size=64: "):
        params.resolve("claims")


def test_what_is_said_to_run_says_it_all():
    """A command in a message, told to a shell, gives the same values."""
    settings, root = ["look_alike_groups=0,1|2,3", "hand_labels=it's {mine}.csv"], "my $faces"
    given.give([f"data_root={root}", *settings])
    words = shlex.split(manifests.command("smoke", stages.by_notebook("03")))
    parser = argparse.ArgumentParser()
    given.add_arguments(parser)
    told = parser.parse_args(words[words.index("--study") + 2 :])
    assert told.set == [f"data_root={root}", *settings]


def test_settings_in_one_word(capsys):
    parser = argparse.ArgumentParser()
    given.add_arguments(parser)
    words = ["--set", "d=1", "--settings", "a=1 b='x y'  c=[1,2]", "--data-root", "a folder"]
    given.give(parser.parse_args(words).set)
    assert given.values() == {"a": 1, "b": "x y", "c": [1, 2], "d": 1, "data_root": "a folder"}
    with pytest.raises(SystemExit):
        parser.parse_args(["--settings", "a='1"])
    assert 'argument --settings: invalid split value: "a=\'1"' in capsys.readouterr().err


@pytest.mark.parametrize("main", [run.main, launch.main])
def test_what_was_inherited_is_not_taken_over(main, output, monkeypatch, capsys, fresh_accelerate):
    """Only the command line counts, not what another command left in the environment."""
    monkeypatch.setenv(given.VARIABLE, '["seed=1"]')
    assert main(["09", "--study", "smoke"]) == 1
    assert given.settings() == []
    assert main(["03", "--study", "smoke", "--set", "seed=x"]) == 1
    assert "error: --set: seed is 'x' (str); expected integer" in capsys.readouterr().err
    main(["03", "--study", "smoke", "--set", "seed=4"])
    assert "02_preprocessing --study smoke --set seed=4" in capsys.readouterr().err
