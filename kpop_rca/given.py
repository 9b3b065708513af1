"""What a command was told in place of a study file's values: `--data-root folder`, `--set name=value`.

It holds for every study that the command works on, as if each file had it. The processes that the command starts,
kernels among them, find it in their environment, so that all of them mean the same by a study's values, and a message
that names a command can name the whole of it.
"""

import json
import os
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from kpop_rca import flat_yaml
from kpop_rca.errors import StudyError

VARIABLE = "KPOP_RCA_GIVEN"  # environment: JSON
WHERE = "--set"  # as errors name it


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of a command."""
    parser.add_argument("--data-root", help="folder with one folder per identity, in place of the study file's")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter in place of the study file's; the value is YAML; as often as need be",
    )
    parser.add_argument("--settings", default="", help="several of --set in one word, with spaces between")


def give(settings: Sequence[str] = (), *, data_root: str | None = None) -> None:
    """Let this process, and what it starts, work with these values; what it inherited is forgotten.

    Args:
        settings: `name=value` each.
        data_root: folder of identities.

    Raises:
        StudyError: a setting is not of that form, or one name is given twice.
    """
    os.environ.pop(VARIABLE, None)
    told = {"set": list(settings), "data_root": data_root or ""}
    _values(told)
    if any(told.values()):
        os.environ[VARIABLE] = json.dumps(told)


def give_options(options: Namespace) -> None:
    """`give` what was read by `add_arguments`."""
    options.set += split(options.settings)
    options.settings = ""
    give(options.set, data_root=options.data_root)


def values() -> dict[str, Any]:
    """Parameter name to value, as YAML has it; whether there is such a parameter is not asked here."""
    return _values(_told())


def arguments() -> str:
    """The options by which a command is told the same, with a space before each; "" where nothing was given.

    >>> give(["guidance=1.0", "look_alike_groups=0,1|2,3"], data_root="my faces")
    >>> arguments()
    " --data-root 'my faces' --set guidance=1.0 --set 'look_alike_groups=0,1|2,3'"
    >>> give()
    >>> arguments()
    ''
    """
    root = data_root()
    return (f" --data-root {shlex.quote(root)}" if root else "") + settings()


def data_root() -> str:
    """The data folder that was given; "" for none."""
    return _told()["data_root"]


def settings() -> str:
    """The settings among `arguments`."""
    return "".join(f" --set {shlex.quote(setting)}" for setting in _told()["set"])


def for_make(*, data_root: str = "") -> str:
    """What `make` is told to the same effect, with a space before each variable; "" where nothing was given.

    Args:
        data_root: folder of identities, where none was given.

    >>> give(["guidance=1.0", "hand_labels=my labels.csv"], data_root="$faces")
    >>> print(for_make())
     DATA_ROOT='$$faces' SET='guidance=1.0 '"'"'hand_labels=my labels.csv'"'"''
    >>> give()
    """
    told = {"DATA_ROOT": data_root or _told()["data_root"], "SET": shlex.join(_told()["set"])}
    return "".join(f" {name}={shlex.quote(value.replace('$', '$$'))}" for name, value in told.items() if value)


def split(text: str) -> list[str]:
    """Settings with spaces between them, as in `make SET="a=1 b='two words'"`, one by one.

    Raises:
        StudyError: a quotation mark that is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise StudyError(f"SET is {flat_yaml.shown(text)}: {error}; write name=value, with spaces between") from None


def _told() -> dict[str, Any]:
    return json.loads(os.environ.get(VARIABLE, '{"set": [], "data_root": ""}'))


def _values(told: dict[str, Any]) -> dict[str, Any]:
    found = {"data_root": told["data_root"]} if told["data_root"] else {}
    for setting in told["set"]:
        name, equals, text = setting.partition("=")
        name = name.strip()
        if not equals or not name:
            raise StudyError(f"{WHERE} {flat_yaml.shown(setting)}: expected name=value, such as train_steps=100")
        if name in found:
            raise StudyError(f"{WHERE} names {name} twice")
        found[name] = flat_yaml.value_of(text, where=f"{WHERE} {name}")
    return found
