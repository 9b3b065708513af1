"""Check a whole study again: is every file as it was left, and would a run today start from the same?

    python -m kpop_rca.verify quick claims

Prints one line per stage, which ends with the command that mends it. The exit status is 0 when all is well, else 1.
"""

import argparse
import sys

from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.results import pages
from kpop_rca.study import given, manifests, params, paths, stages, sweeps
from kpop_rca.study.manifests import Difference

Found = dict[str, list[Difference]]  # by the folder of a stage


def verify(study: str, *, every: bool = False) -> Found:
    """What is wrong with every stage of a study, in the order of running; an empty list where nothing is.

    With `every`, also of the stages that the study can do without.
    """
    found, resolved = {}, params.resolve(study)
    for stage in (*params.works(study), *(stages.further(resolved) if every else ())):
        parameters = params.of_notebook(stage.notebook, resolved)
        differences = manifests.differences(manifests.folder_of(study, stage.folder), stage, parameters)
        needs = {need: _states(found[need]) for need in stage.needs}
        if not any(difference.part in ("missing", "damaged") for difference in differences):
            differences += [Difference("needs", name, now=states) for name, states in needs.items() if states]
        found[stage.folder] = differences
    return found


def _states(differences: list[Difference]) -> str:
    """The states that keep a later stage from reading what this one made."""
    return " and ".join(dict.fromkeys(found.state for found in differences if found.part != "report"))


def lines(study: str, *, every: bool = False) -> dict[str, bool]:
    """A line on each stage of a study and on the pages of its report, and whether all is well there."""
    said = {}
    for folder, differences in verify(study, every=every).items():
        stage = stages.by_folder(folder)
        about = f"{study} {stage.notebook}: "
        if differences:
            said[f"{about}{manifests.in_words(differences)}; run: {manifests.command(study, stage)}"] = False
        else:
            made = manifests.read(manifests.folder_of(study, folder))["files"]
            said[f"{about}complete, {len(made)} files"] = True
    if paths.report_record(study).is_file():
        differences = manifests.of_report(study, code={"pages": pages.code()})
        words = f"{manifests.in_words(differences)}; run: {pages.command(study)}" if differences else "complete"
        said[f"{study} report: {words}"] = not differences
    return said


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.verify", description="Check a whole study again.")
    parser.add_argument("studies", nargs="+", metavar="study", help="a file in params/, with -seed<N> for a seed")
    parser.add_argument("--seeds", default="", help="the seeds of each, comma-separated")
    given.add_notebooks(parser)
    given.add_arguments(parser)
    options = parser.parse_args(arguments)
    given.give(options.set, notebooks=options.notebooks)
    well = True
    for study in sweeps.named(",".join(options.studies), options.seeds):
        try:
            said = lines(study, every=options.notebooks == "all")
        except (StudyError, OSError) as error:  # such as a file that may not be read
            print(f"error: {error}", file=sys.stderr)
            well = False
            continue
        print("\n".join(said))
        well = well and all(said.values())
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
