"""Check a whole study again: is every file as it was left, and would a run today start from the same?

    python -m kpop_rca.verify quick claims

Prints one line per stage, which ends with the command that mends it. The exit status is 0 when all is well, else 1.
"""

import argparse
import sys

import pandas as pd

from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.results import pages
from kpop_rca.study import given, manifests, params, paths, stages, staleness, sweeps
from kpop_rca.study.staleness import Kind, Reason

COMPLETE = "complete"
Found = dict[tuple[str, stages.Stage], list[Reason]]  # by the study in whose folder a stage lies, and the stage


def stages_of(study: str) -> list[tuple[str, stages.Stage]]:
    """The stages that a study runs, each with the study in whose folder its artifacts lie, in the order of running.

    Of a sweep also those of its small studies, which share what their levels do not change.

    Raises:
        StudyError: there is no such study, or its file is wrong.
    """
    resolved = params.resolve(study)
    if not resolved["sweep_seeds"]:
        return [(params.owner(study, stage.folder), stage) for stage in stages.of_study(resolved)]
    if sweeps.split_seed(study)[1] is not None:
        return _of_a_member(study)
    of_members = [pair for member in sweeps.members(resolved) for pair in _of_a_member(member.study)]
    return [*dict.fromkeys(of_members), (study, stages.CLAIMS)]


def _of_a_member(study: str) -> list[tuple[str, stages.Stage]]:
    wanted = {stage for folder in stages.OF_A_MEMBER for stage in stages.behind(folder)}
    return [(params.owner(study, stage.folder), stage) for stage in stages.STAGES if stage in wanted]


def verify(study: str) -> Found:
    """What is wrong with every stage of a study, in the order of running; an empty list where nothing is.

    Raises:
        StudyError: see `stages_of`.
    """
    found: Found = {}
    for owner, stage in stages_of(study):
        parameters = params.of_notebook(stage.notebook, params.resolve(owner)) | {"study": owner}
        reasons = staleness.reasons(paths.artifacts_folder(owner) / stage.folder, stage, parameters)
        if not any(reason.kind in (Kind.MISSING, Kind.DAMAGED) for reason in reasons):
            reasons += _of_small_studies(owner, found) if stage is stages.CLAIMS else _of_needs(owner, stage, found)
        found[owner, stage] = reasons
    return found


def _states(reasons: list[Reason]) -> list[str]:
    """The states that keep a later stage from reading what this one made."""
    return list(dict.fromkeys(reason.kind.state for reason in reasons if reason.kind is not Kind.REPORT))


def _of_needs(study: str, stage: stages.Stage, found: Found) -> list[Reason]:
    """The earlier stages that a later one cannot be made from."""
    needs = {need: found[params.owner(study, need), stages.by_folder(need)] for need in stage.needs}
    states = {need: " and ".join(_states(reasons)) for need, reasons in needs.items()}
    return [Reason(Kind.INPUTS, f"{need} is {state}") for need, state in states.items() if state]


def _of_small_studies(study: str, found: Found) -> list[Reason]:
    """Small studies of a sweep that something is wrong with, or whose images are others than those that it compared."""
    wrong = [f"{owner} {stage.folder}" for (owner, stage), reasons in found.items() if _states(reasons)]
    reasons = [f"not in order: {staleness.shortened(wrong)}"] if wrong else []
    try:
        table = pd.read_csv(paths.report_folder(study) / "tables" / f"{sweeps.RUNS}.csv", dtype=str)
        compared = dict(zip(table["study"], table["images"], strict=True))
    except (FileNotFoundError, ValueError, KeyError):  # gone, or no such table any more
        compared, reasons = {}, [*reasons, "its table of the compared images is gone or damaged"]
    again = [name for name, images in compared.items() if images != manifests.identity_of(name, "generated")]
    reasons += [f"compared before these made their images again: {staleness.shortened(again)}"] if again else []
    return [Reason(Kind.INPUTS, text) for text in reasons]


def line_of(study: str, stage: stages.Stage, reasons: list[Reason]) -> str:
    """One line on a stage for a reader, with the command that mends it."""
    about = f"{study} {stage.notebook}"
    if reasons:
        return f"{about}: {staleness.in_words(reasons)}; run: {manifests.command(stage, study)}"
    manifest = manifests.read_manifest(paths.artifacts_folder(study) / stage.folder / manifests.MANIFEST)
    return f"{about}: {COMPLETE}, {len(manifest['files'])} files"


def pages_line(study: str) -> str:
    """One line on the pages of a study's report, as on a stage; "" where no report was written."""
    made = pages.record_of(study)
    if made is None:
        return ""
    reasons = staleness.of_pages(study)
    if made.get("code") != pages.code():
        reasons.append(Reason(Kind.CODE, "its code changed since"))
    if reasons:
        return f"{study} report: {staleness.in_words(reasons)}; run: {pages.command(study)}"
    return f"{study} report: {COMPLETE}, {len(made['pages'])} pages"


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.verify", description="Check a whole study again.")
    parser.add_argument("studies", nargs="+", metavar="study", help="a file in params/, with -seed<N> for a seed")
    parser.add_argument("--seeds", default="", help="the seeds of each, comma-separated")
    given.add_arguments(parser)
    options = parser.parse_args(arguments)
    given.give_options(options)
    studies = sweeps.named(",".join(options.studies), options.seeds)
    well = True
    for study in studies:
        try:
            lines = [line_of(*which, reasons) for which, reasons in verify(study).items()] + [pages_line(study)]
        except (StudyError, OSError) as error:  # such as a file that may not be read
            print(f"error: {error}", file=sys.stderr)
            well = False
            continue
        print("\n".join(filter(None, lines)))
        well = well and not any("; run: " in line for line in lines)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
