"""The page of the pretrained weights' terms against the registries by which they are fetched."""

import re

from kpop_rca.image_metrics import pretrained
from kpop_rca.oracles import EMBEDDINGS
from kpop_rca.study import paths


def test_every_weight_is_listed_with_its_terms():
    page = (paths.project_root() / "LICENSES" / "weights.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| (\S+) \| ([^|]+) \| [^|]+ \| `(\w+)` \|", page, flags=re.M)
    listed = {(name, file, known) for name, file, _, known in rows}
    fetched = {(name, pretrained.path_of(name).name, known) for name, known in pretrained.SHA256.items()}
    found = {(name, file, known) for name, weights in EMBEDDINGS.items() for file, known in weights.sha256.items()}
    assert listed == fetched | found
    terms = {(name, said) for name, _, said, _ in rows if name in EMBEDDINGS}
    assert all(said.startswith(EMBEDDINGS[name].licence) for name, said in terms)
