"""Where a study's images come from: whatever the source, a folder with one folder per identity comes out."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from kpop_rca import avatars
from kpop_rca.data import lfw
from kpop_rca.study import paths


def prepare(parameters: dict[str, Any], *, bar: Callable) -> Path:
    """The data folder of a study, rendered or downloaded first where its source needs that.

    Rendered avatars lie in `data/idols-<hash of what they are rendered from>`, so that studies share them.

    Args:
        parameters: of `01_data_audit`: seed, data_source, data_root, n_identities and those named `idols_…`.
        bar: makes a progress bar, `tqdm` for example.

    Raises:
        StudyError: a folder was wanted and none is named or there; LFW can't be reached; there is no room.
    """
    source = parameters["data_source"]
    if source == "folder":
        return paths.photographs(parameters["data_root"])
    if source == "lfw":
        return lfw.download(paths.data_folder("lfw-download"))
    arguments = {name.removeprefix("idols_"): v for name, v in parameters.items() if name.startswith("idols_")}
    arguments |= {"seed": parameters["seed"], "n_identities": parameters["n_identities"]}
    name = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:12]
    root = paths.data_folder(f"idols-{name}")
    with bar(desc="rendering", unit="image") as shown:
        avatars.render_dataset(root, **arguments, progress=partial(_show, shown))
    return root


def _show(shown: Any, done: int, total: int) -> None:
    shown.total = total
    shown.update(done - shown.n)
