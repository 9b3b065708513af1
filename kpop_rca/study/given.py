"""What a command was told in place of a study file's values: `--data-root folder`, `--set name=value`.

It holds for every study that the command works on. The processes that the command starts, kernels among them, find it
in their environment, and a message that names a command can name the whole of it.
"""

import json
import os
import shlex
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from kpop_rca.errors import StudyError
from kpop_rca.study import flat_yaml

VARIABLE = "KPOP_RCA_GIVEN"  # environment: the settings, as JSON
WHERE = "--set"  # as errors name it
EVERY_METRIC = "panel=full"  # 09 in full, with --notebooks all


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of a command, whose `set` is what `give` takes."""
    about = "a parameter in place of the study file's; the value is YAML; as often as need be"
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=about)
    also = {"dest": "set", "default": []}
    about = "several of --set in one word"
    parser.add_argument("--settings", **also, action="extend", type=shlex.split, metavar="WORDS", help=about)
    about = "folder with one folder per identity, in place of the study file's"
    parser.add_argument("--data-root", **also, action="append", type="data_root={}".format, metavar="DIR", help=about)


def add_notebooks(parser: ArgumentParser) -> None:
    """Declare the option that asks for all of a study, of which `give` is told."""
    about = "all: also the notebooks that a study can do without, 00, 10, 11 and 12, and every metric in 09"
    parser.add_argument("--notebooks", choices=["study", "all"], default="study", help=about)


def give(settings: Sequence[str] = (), *, notebooks: str = "study") -> None:
    """Let this process, and what it starts, work with these values; what it inherited is forgotten."""
    os.environ[VARIABLE] = json.dumps(list(settings))
    if "panel" not in values() and notebooks == "all":
        os.environ[VARIABLE] = json.dumps([*settings, EVERY_METRIC])


def settings() -> list[str]:
    """What was given, `name=value` each."""
    return json.loads(os.environ.get(VARIABLE, "[]"))


def values() -> dict[str, Any]:
    """Parameter name to value, as YAML has it; whether there is such a parameter is not asked here."""
    found: dict[str, Any] = {}
    for setting in settings():
        name, equals, text = setting.partition("=")
        name = name.strip()
        if not equals or not name:
            raise StudyError(f"{WHERE} {flat_yaml.shown(setting)}: expected name=value, such as train_steps=100")
        if name in found:
            raise StudyError(f"{WHERE} names {name} twice")
        content = text.encode(errors="surrogateescape")
        is_yaml = name != "data_root" and content.strip()  # a folder's name is none
        found[name] = flat_yaml.loads(content, where=f"{WHERE} {name}") if is_yaml else text
    return found


def data_root() -> str:
    """The data folder that was given; "" for none."""
    return values().get("data_root", "")


def arguments(*, before: str = "") -> str:
    """The options by which a command is told the same; where no data folder is given now, the one given `before`.

    >>> give(["data_root=my faces", "guidance=1.0"])
    >>> arguments()
    " --set 'data_root=my faces' --set guidance=1.0"
    >>> give()
    """
    told = [f"data_root={before}"] if before and not data_root() else []
    return "".join(f" --set {shlex.quote(setting)}" for setting in [*told, *settings()])
