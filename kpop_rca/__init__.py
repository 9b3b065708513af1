"""Relative Classification Accuracy: when person A is requested, does the generated image show person A?

The packages from the ground up; an import points down only (`tests/unit/test_floors.py` reads them):
`errors`, `system`, `rca`, `study`, `plots`, `degradations`, `avatars`, `data`, `faces`, `diffusion`, `image_metrics`,
`oracles`, `controls`, `validity`, `claims`, `results`, `benchmarks`; above them the commands. Avatars lie below data,
whose `sources` opens them beside a user's folder.

The way of a photograph to `metrics.json`:
- 01: `data.sources` gives the folder, `data.identity_folders` lists who is in it, `data.images` decodes a file to sRGB.
  `faces.detection` finds the faces in it (MTCNN in `faces.mtcnn`), and `faces.flags` says what is wrong with it.
- 02: `faces.splits` puts it into a split or leaves it out, `faces.crops` cuts the square that networks see.
- 03, 04: `diffusion.trainer` trains the generator on one split, `oracles.training` the classifiers on another;
  both take the crops as `data.tensors`.
- 05: `diffusion.generation` generates images for each identity.
- 06: `oracles.predictions` classifies real and generated images, `rca` turns the two confusion tables into estimates
  with intervals.
- 09: `image_metrics` measures what identity does not show, and `results.metrics_json` writes all of it.
At each stage `study.stage_run` checks what is read, and records what was made; `plots` draws the figures.
"""

__version__ = "0.1.0"
