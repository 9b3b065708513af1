"""Write a study's report, and print its result: python -m kpop_rca.report --study quick; or a site of all reports."""

import argparse
import sys
from pathlib import Path

import pandas as pd

from kpop_rca.errors import said_in_a_line
from kpop_rca.results import pages, site
from kpop_rca.study import paths, sweeps


def answer(study: str) -> str:
    """The study's result in one line, and where its report is."""
    folder = paths.report_folder(study)
    place = f"open {folder / 'index.html'}"
    if alone := pages.alone_in(study):
        counts = pd.read_csv(folder / "tables" / f"{alone[-1]}.csv")["verdict"].value_counts()
        said = ", ".join(f"{n} {name}" for name, n in counts.items())
        return f"{study}: of {counts.sum()} comparisons {said}; {place}"
    found = pages.metrics(study)["rca"]
    low, high = found["ci95"]
    images = f"RCA {found['global']:.2f} (95 % interval {low:.2f} to {high:.2f}, chance {found['chance']:.2f})"
    recipe = found.get("recipe", {})  # which reports of earlier versions lack
    if recipe.get("value") is None:
        return f"{study}: {images}; {place}"
    low, high = recipe["ci95"]
    return (
        f"{study}: RCA of the recipe {recipe['value']:.2f} ({low:.2f} to {high:.2f}); of these images {images}; {place}"
    )


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.report", description="Write a study's report.")
    parser.add_argument("--study", action="append", default=[], help="write the report of this study")
    parser.add_argument("--where", action="append", default=[], help="print the result of these, comma-separated")
    parser.add_argument("--site", metavar="FOLDER", help="write all published reports, notebooks and docs as one site")
    parser.add_argument(
        "--no-reference", action="store_true", help="with --site: without reference and search, so pdoc"
    )
    parser.add_argument("--seeds", help="with --where: the seeds, comma-separated")
    options = parser.parse_args(arguments)
    for study in options.study:
        pages.build(study)
    for study in sweeps.named(",".join(options.where), options.seeds or "") if options.where else []:
        print(answer(study))
    if options.site:
        written = site.build(Path(options.site).resolve(), reference=not options.no_reference)
        print(f"{len(written)} pages; open {written[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
