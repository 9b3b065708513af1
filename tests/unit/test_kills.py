"""Stages killed at random moments and begun again, a handful of times; `make soak` does it to whole notebooks."""

import json
import subprocess
import sys
from pathlib import Path


def test_training_and_generation_killed_again_and_again_end_as_if_nothing_had_happened(tmp_path):
    script = Path(__file__).with_name("killed_stages.py")
    folders = [str(tmp_path / "reference"), str(tmp_path / "interrupted")]
    done = subprocess.run([sys.executable, str(script), *folders], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    recipes = dict.fromkeys(found["kills"].keys() - {"ddpm", "generated"}, 1)
    assert len(recipes) == 6  # three objectives, two optimisers
    assert found["kills"] == {"ddpm": 3, "generated": 3} | recipes
    assert found["got"] == found["expected"]
    n_files = {name: len(files) for name, files in found["expected"].items()}
    assert n_files == {"ddpm": 7, "generated": 2} | dict.fromkeys(recipes, 4)
    assert found["left"] == []
