"""The user's account and environment, of which a study takes over nothing that would change it or break it.

    python -m kpop_rca.study.account command ...

runs a command as a study's own processes run: without the variables by which a user sets up Python, Jupyter, matplotlib
and Snakemake for other work, without configuration of theirs, and with a place for caches where the home folder can't
be written. What is said to this project (`KPOP_RCA_…`) or to the machine (threads, GPUs, proxies, `TORCH_HOME`) stays.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from kpop_rca.study import paths

# Names of variables, or how they begin. By the last lines accelerate takes a process for one of several, or for one
# with a setting of its own; a notebook is one, also within a cluster's job that sets them.
UNWANTED = (
    "PYTHON", "IPYTHON", "JUPYTER_", "MPL", "MATPLOTLIB", "SNAKEMAKE_", "PAPERMILL_", "BASH_ENV",
    "ACCELERATE_", "OMPI_", "PMI_", "PMIX_", "MV2_COMM_", "LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE",
    "MASTER_ADDR", "MASTER_PORT",
)  # fmt: skip
OF_A_SESSION = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")


def environment(scratch: Path) -> dict[str, str]:
    """The environment of a study's processes; in the folder `scratch`, Jupyter and IPython keep their sessions."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(UNWANTED)}
    cache = _cache()
    return kept | {name: str(scratch / name.lower()) for name in OF_A_SESSION} | {
        "PYTHONPATH": str(paths.project_root()),  # so that a kernel imports the package that started it
        "PYTHONUTF8": "1",  # whatever the locale: names are data
        "MPLCONFIGDIR": str(cache / "kpop_rca" / "matplotlib"),
        "XDG_CACHE_HOME": str(cache),
    }  # fmt: skip


def _cache() -> Path:
    """The account's folder for caches, or another where nothing can be written there."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute()
    with suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
    return home if os.access(home, os.W_OK) else paths.output_root() / ".cache"


def main(command: list[str]) -> int:
    """Run a command in that environment; returns its exit status."""
    with tempfile.TemporaryDirectory(prefix="kpop_rca-", ignore_cleanup_errors=True) as scratch:
        return subprocess.call(command, env=environment(Path(scratch)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
