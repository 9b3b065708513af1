"""Publish the weights of a study on avatars, with their model card.

    python -m kpop_rca.publish --study showcase

A study that was trained leaves its weights in `weights/<study>/`. One that started from published weights has their
card written anew, with what was measured of its images.
"""

import argparse
import sys
from pathlib import Path

from kpop_rca.diffusion import published_weights
from kpop_rca.errors import said_in_a_line
from kpop_rca.results import model_card, tables
from kpop_rca.study import given, manifests, params, paths


def publish(study: str, folder: Path) -> Path:
    """Write the weights of a study into a folder, or only the card of those that it started from.

    Returns:
        The card.

    Raises:
        StudyError: see `published_weights.publish`; or the study started from published weights and is not complete.
    """
    if weights := published_weights.made(study)["parameters"].get("weights"):
        manifests.require(study, "quality", params.resolve(study))
        return model_card.write(weights, tables.read_metrics(paths.report_folder(study) / manifests.METRICS))
    published_weights.publish(study, folder)
    return model_card.write(str(folder), None)


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.publish", description="Publish the weights of a study.")
    parser.add_argument("--study", required=True, help="its name")
    parser.add_argument("--out", type=Path, help="folder of the weights (default: weights/<study>)")
    given.add_arguments(parser)
    options = parser.parse_args(arguments)
    given.give(options.set)
    folder = options.out or paths.project_root() / "weights" / options.study
    print(publish(options.study, folder.resolve()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
