"""What `make` hands on: each value as it was given, with whatever letters, spaces and quotes a path has."""

import json
import os
import re
import subprocess
import sys

import pytest

from kpop_rca.study import paths

SAYS = f"#!/bin/sh\nexec {sys.executable} -c 'import json, sys; print(json.dumps(sys.argv[1:]))' \"$@\"\n"


@pytest.fixture
def make(tmp_path):
    """Run `make` with an interpreter that only says what it was told; its result, and what was said, line by line."""
    (tmp_path / "python").write_text(SAYS)
    (tmp_path / "python").chmod(0o755)
    # `make test` is one, too
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}

    def run(*arguments, **environment):
        command = ["make", "--old-file", ".venv/.complete", f"BIN={tmp_path}", *arguments]
        done = subprocess.run(
            command, env=alone | environment, cwd=paths.project_root(), capture_output=True, text=True
        )
        return done, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]

    return run


@pytest.mark.parametrize("folder", ["../faces", '/a b/it\'s "Ü" 김 \\ {x} $$1, #', "-", "null"])
@pytest.mark.parametrize("target", ["study", "audit"])
def test_values_reach_the_study_as_they_were_given(make, folder, target):
    done, said = make(target, "STUDY=mine", f"DATA_ROOT={folder}", "SEEDS=0, 1", "SET=a=1 b='x y'")
    assert done.returncode == 0, done.stderr
    only = ["--only-data"] if target == "audit" else []
    told = ["--seeds=0, 1", f"--data-root={folder.replace('$$', '$')}", "--settings=a=1 b='x y'"]
    assert said[0] == ["-m", "kpop_rca.studies", *only, "--study", "mine", *told]
    assert target == "audit" or said[1][3:] == ["-m", "kpop_rca.report", "--where", "mine", "--seeds=0, 1"]


def test_without_a_target_the_default_study_runs(make):
    done, said = make()
    assert done.returncode == 0, done.stderr
    assert [words[-4:] for words in said] == [
        ["-m", "kpop_rca.studies", "--study", "quick"],
        ["-m", "kpop_rca.report", "--where", "quick"],
    ]


def test_a_study_is_verified_as_it_was_told(make):
    _, said = make("verify", "STUDY=mine", "DATA_ROOT=/my faces", "SET=a=1 b='x y'", "NOTEBOOKS=all")
    told = ["--data-root=/my faces", "--settings=a=1 b='x y'", "--notebooks=all"]
    assert said[0][-5:] == ["kpop_rca.verify", "mine", *told]


def test_a_new_study_has_the_folder_as_it_was_named(make):
    _, said = make("new", "STUDY=mine", "DATA_ROOT=/my faces/{x}")
    assert said == [["-m", "kpop_rca.new", "mine", "/my faces/{x}"]]


def test_folders_to_be_scored_reach_the_command_as_they_were_named(make):
    _, said = make("score", "REAL=/my people", "GENERATED=sdxl=gen/sdxl 'a b=gen/it''s'", "OUT=reports/mine")
    told = ["--real=/my people", "--generators=sdxl=gen/sdxl 'a b=gen/it''s'", "--out=reports/mine"]
    assert said[0][-5:] == ["kpop_rca.cli", "score", *told]
    assert make("score")[1][0][-2:] == ["kpop_rca.cli", "score"]


@pytest.mark.parametrize("name", ["STUDY", "DATA_ROOT", "SEEDS", "SET"])
def test_what_only_the_environment_has_is_not_taken_without_a_word(make, name):
    done, said = make("study", **{name: "/of/another/program"})
    assert done.returncode != 0
    assert said == []
    refused = f"{name} is set in the environment; write it behind make: make study {name}='/of/another/program'"
    assert refused in " ".join(done.stderr.split())
    assert make("study", f"{name}=", **{name: "/of/another/program"})[0].returncode == 0


def test_what_to_write_behind_make_is_the_whole_command(make):
    """A value in several words, and what was behind make already."""
    done, _ = make("study", "STUDY=mine", SET="train_steps=100 guidance=1.0")
    said = " ".join(done.stderr.split())
    assert "make study SET='train_steps=100 guidance=1.0' " in said
    assert " STUDY=mine" in said


def test_help_names_every_target_that_a_user_calls(make):
    done, _ = make("help")
    shown = re.findall(r"^make (\w+) +\S.*$", done.stdout, flags=re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (paths.project_root() / "Makefile").read_text(), flags=re.MULTILINE).group(1)
    assert shown == phony.split()


def test_nothing_is_called_by_a_script_whose_first_line_names_its_interpreter():
    """Such a line holds no space, and no more than 127 bytes; a program that is compiled has none."""
    recipes = (paths.project_root() / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\(BIN\)/([\w-]+)", recipes)) == {"python", "ruff"}
    assert set(re.findall(r"\.venv-(?:bench|site|\$\*)/bin/([\w-]+)", recipes)) == {"python"}


@pytest.mark.parametrize("setting", ["user = true", "target = elsewhere"])
def test_packages_go_into_the_environment_whatever_pip_is_configured_to(tmp_path, setting):
    """Tried with the words that the Makefile has for it, and a package of one empty module."""
    words = re.search(r"^INSTALL = python (.*)$", (paths.project_root() / "Makefile").read_text(), flags=re.M).group(1)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "nothing_in_it.py").touch()
    setup = (
        '[build-system]\nrequires = []\nbuild-backend = "setuptools.build_meta"\n[project]\nname = "nothing-in-it"\n'
    )
    (tmp_path / "package" / "pyproject.toml").write_text(
        f'{setup}version = "1"\n[tool.setuptools]\npy-modules = ["nothing_in_it"]\n'
    )
    (tmp_path / "pip.conf").write_text(f"[install]\n{setting}\n")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    packages = next((tmp_path / "venv").glob("lib/*/site-packages"))
    (packages / "of_this.pth").write_text(f"{next(p for p in sys.path if p.endswith('site-packages'))}\n")
    command = [tmp_path / "venv/bin/python", *words.split(), "--no-build-isolation", tmp_path / "package"]
    environment = os.environ | {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (packages / "nothing_in_it.py").is_file()
