"""What a command was told in place of a study file's values: `--data-root folder`, `--set name=value`.

It holds for every study that the command works on. The processes that the command starts, kernels among them, find it
in their environment, and a message that names a command can name the whole of it.
"""

import json
import os
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from kpop_rca.errors import StudyError
from kpop_rca.study import flat_yaml

VARIABLE = "KPOP_RCA_GIVEN"  # environment: the settings, as JSON
WHERE = "--set"  # as errors name it


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of a command."""
    parser.add_argument("--data-root", help="folder with one folder per identity, in place of the study file's")
    about = "a parameter in place of the study file's; the value is YAML; as often as need be"
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=about)
    parser.add_argument("--settings", default="", help="several of --set in one word, with spaces between")


def give_options(options: Namespace) -> None:
    """`give` what was read by `add_arguments`."""
    try:
        options.set += shlex.split(options.settings)
    except ValueError as error:
        raise StudyError(f"SET is {options.settings!r}: {error}; write name=value, with spaces between") from None
    give(options.set, data_root=options.data_root)


def give(settings: Sequence[str] = (), *, data_root: str | None = None) -> None:
    """Let this process, and what it starts, work with these values; what it inherited is forgotten.

    Raises:
        StudyError: one of the settings is not `name=value`, or a name is given twice.
    """
    os.environ[VARIABLE] = json.dumps(_with(settings, data_root))
    values()


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


def arguments(*, data_root: str = "") -> str:
    """The options by which a command is told the same, and a data folder as well, with a space before each.

    >>> give(["guidance=1.0"], data_root="my faces")
    >>> arguments()
    " --set 'data_root=my faces' --set guidance=1.0"
    >>> give()
    """
    return "".join(f" --set {shlex.quote(setting)}" for setting in _with(settings(), data_root))


def for_make(*, data_root: str = "") -> str:
    """What `make` is told to the effect of `arguments`.

    >>> give(["guidance=1.0", "hand_labels=my labels.csv"], data_root="$faces")
    >>> print(for_make())
     DATA_ROOT='$$faces' SET='guidance=1.0 '"'"'hand_labels=my labels.csv'"'"''
    >>> give()
    """
    others = [setting for setting in settings() if not setting.startswith("data_root=")]
    told = {"DATA_ROOT": values().get("data_root", data_root), "SET": shlex.join(others)}
    return "".join(f" {name}={shlex.quote(value.replace('$', '$$'))}" for name, value in told.items() if value)


def _with(settings: Sequence[str], data_root: str | None) -> list[str]:
    return [f"data_root={data_root}", *settings] if data_root else list(settings)
