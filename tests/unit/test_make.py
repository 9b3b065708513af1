"""What `make` hands to Snakemake: each value as it was given, with whatever letters, spaces and quotes a path has."""

import json
import os
import subprocess

import pytest
from snakemake.cli import parse_config

from kpop_rca import paths

SAYS = '#!/bin/sh\nexec python3 -c "import json, sys; print(json.dumps(sys.argv[1:]))" "$@"\n'


@pytest.mark.parametrize("folder", ["../faces", '/a b/it\'s "Ü" 김 \\ {x} $$1'])
def test_a_data_folder_reaches_the_graph_as_it_was_named(tmp_path, folder):
    for name in ("snakemake", "python"):
        (tmp_path / name).write_text(SAYS)
        (tmp_path / name).chmod(0o755)
    command = ["make", "study", "--old-file", ".venv/.complete", f"BIN={tmp_path}", "STUDY=mine", f"DATA_ROOT={folder}"]
    alone = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }  # `make test` is one, too
    done = subprocess.run([*command, "SEEDS=0, 1"], env=alone, cwd=paths.project_root(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    to_snakemake, to_report = map(json.loads, done.stdout.splitlines())
    given = to_snakemake[to_snakemake.index("--config") + 1 :]
    assert parse_config(given) == {"studies": "mine", "seeds": "0, 1", "data_root": folder.replace("$$", "$")}
    assert to_report[-4:] == ["--where", "mine", "--seeds", "0, 1"]
