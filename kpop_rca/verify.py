"""Check a whole study again: is every file as it was left, and would a run today start from the same?

    python -m kpop_rca.verify quick claims

Prints a line a stage, which ends with the command that mends it. The exit status is 0 when all is well, else 1.
"""

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kpop_rca import artifacts, disk, fingerprint, given, locks, manifests, params, paths, report, seals, stages, sweeps
from kpop_rca.errors import StudyError

COMPLETE, MISSING, DAMAGED, ALTERED, STALE = "complete", "missing", "damaged", "altered", "stale"
SHOWN_ALTERED = "altered in the report"  # which no other stage reads
SHOWN = 3  # files or parameters that a line names; the others are counted


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a stage of a study.

    Attributes:
        study: in whose folder it lies.
        stage: which.
        problems: state (MISSING, DAMAGED, ALTERED, SHOWN_ALTERED, STALE) to what it consists in; empty when well.
        n_files: that the stage made.
    """

    study: str
    stage: stages.Stage
    problems: dict[str, str]
    n_files: int = 0

    @property
    def unfit(self) -> list[str]:
        """The states that keep a later stage from reading what this one made."""
        return [state for state in self.problems if state != SHOWN_ALTERED]

    def line(self) -> str:
        """One line for a reader, with the command that mends it."""
        about = f"{self.study} {self.stage.notebook}: "
        if not self.problems:
            return f"{about}{COMPLETE}, {self.n_files} files"
        found = "; ".join(f"{state}: {what}" if what else state for state, what in self.problems.items())
        return f"{about}{found}; run: {artifacts.command(self.stage, self.study)}"


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


def verify(study: str) -> list[Verdict]:
    """A verdict on every stage of a study.

    Raises:
        StudyError: see `stages_of`.
    """
    found: dict[tuple[str, str], Verdict] = {}
    for owner, stage in stages_of(study):
        found[owner, stage.folder] = _verdict(owner, stage, earlier=found)
    return list(found.values())


def _verdict(study: str, stage: stages.Stage, *, earlier: dict[tuple[str, str], Verdict]) -> Verdict:
    folder = paths.artifacts_folder(study) / stage.folder
    path = folder / artifacts.MANIFEST
    if not path.is_file():
        return Verdict(study, stage, {MISSING: _how_far(study, stage)})
    try:
        manifest = artifacts.read_manifest(path)
    except StudyError:
        return Verdict(study, stage, {DAMAGED: artifacts.MANIFEST})
    if manifest["stage"] != stage.notebook:
        return Verdict(study, stage, {DAMAGED: f"{artifacts.MANIFEST} is that of {manifest['stage']}"})
    differing = _named(artifacts.alterations(folder, manifest))
    photographs = None if differing else seals.other_photographs(folder, manifest)
    labels = manifests.other_hand_labels(manifest)
    reasons = [
        *([f"the photographs are not those that were audited ({photographs})"] if photographs else []),
        *([labels] if labels else []),
        *_other_parameters(manifest, params.of_notebook(stage.notebook, params.resolve(study))),
        *_other_inputs(study, stage, manifest["inputs"], earlier=earlier),
        *(_other_small_studies(study, earlier=earlier) if stage is stages.CLAIMS else []),
        *(
            ["the code has changed since"]
            if manifest.get("notebook") != fingerprint.of_notebook(stage.notebook)
            else []
        ),
    ]
    shown = _named(manifests.flaws_of_report(study, stage, manifest))
    problems = {
        ALTERED: _shortened(differing),
        SHOWN_ALTERED: _shortened(shown),
        STALE: _shortened(reasons, shown=len(reasons)),
    }
    return Verdict(study, stage, {state: what for state, what in problems.items() if what}, len(manifest["files"]))


def _named(differing: dict[str, str]) -> list[str]:
    return [f"{name} ({how})" for name, how in differing.items()]


def _how_far(study: str, stage: stages.Stage) -> str:
    holder = locks.holder(artifacts.lock_of(study, stage.folder))
    if holder:
        return f"{holder} is making it"
    begun = (paths.artifacts_folder(study) / stage.folder / artifacts.STARTED).is_file()
    return "begun, not finished" if begun else ""


def _other_parameters(manifest: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Parameters in which a stage's making differs from what the study file, and this command, say now.

    A data folder that was told in place of the file's need not be told again: the commands that mend name it.
    """
    made, wanted = manifests.run_again_for(manifest["parameters"]), manifests.run_again_for(wanted)
    if "data_root" in made and not given.data_root() and manifests.was_told_data_root(manifest):
        wanted["data_root"] = made["data_root"]
    absent = "absent"
    differing = [
        f"{name} was {_text(made, name)} and is {_text(wanted, name)}"
        for name in sorted(made.keys() | wanted.keys())
        if made.get(name, absent) != wanted.get(name, absent)
    ]
    return [_shortened(differing)] if differing else []


def _text(values: dict[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else "not known"


def _other_inputs(
    study: str, stage: stages.Stage, inputs: dict[str, str], *, earlier: dict[tuple[str, str], Verdict]
) -> list[str]:
    """Earlier stages that were made again since, or that something is wrong with."""
    reasons = []
    for need in stage.needs:
        owner = params.owner(study, need)
        wrong = earlier[owner, need].unfit
        if wrong:
            reasons.append(f"{need} is {' and '.join(wrong)}")
        elif inputs.get(need) != _identity(owner, need):
            reasons.append(f"made from an earlier {need}")
    return reasons


def _other_small_studies(study: str, *, earlier: dict[tuple[str, str], Verdict]) -> list[str]:
    """Small studies of a sweep that something is wrong with, or whose images were made again since they were judged."""
    wrong = [f"{owner} {folder}" for (owner, folder), verdict in earlier.items() if verdict.unfit]
    reasons = [f"not in order: {_shortened(wrong)}"] if wrong else []
    try:
        judged = _judged(study)
    except (FileNotFoundError, ValueError):  # gone, or no such table any more
        return [*reasons, "its table of the judged images is gone or damaged"]
    again = [
        name for name, images in judged.items() if images != _identity(params.owner(name, "generated"), "generated")
    ]
    return reasons + ([f"judged before these made their images again: {_shortened(again)}"] if again else [])


def _judged(study: str) -> dict[str, str]:
    """Small study to the identity of the images that the notebook of the sweep judged."""
    path = paths.report_folder(study) / "tables" / f"{sweeps.RUNS}.csv"
    table = pd.read_csv(path, dtype=str, usecols=["study", "images"])
    return dict(zip(table["study"], table["images"], strict=True))


def _identity(study: str, folder: str) -> str | None:
    path = paths.artifacts_folder(study) / folder / artifacts.MANIFEST
    try:
        return artifacts.identity(artifacts.read_manifest(path))
    except (StudyError, FileNotFoundError):  # has a line of its own
        return None


def pages_line(study: str) -> str:
    """One line on the pages of a study's report, as on a stage; "" where no report was written."""
    made = report.record_of(study)
    if made is None:
        return ""
    kept = {name: disk.sha256(path) for name, path in report.sources(study).items()}
    altered = seals.differing(paths.report_folder(study), made["pages"])
    stale = [
        name for name in sorted(made["sources"].keys() | kept.keys()) if made["sources"].get(name) != kept.get(name)
    ]
    stale += ["its code"] if made.get("code") != report.code() else []
    found = [f"{ALTERED}: {_shortened(_named(altered))}"] if altered else []
    found += [f"{STALE}: written before {_shortened(stale)} changed"] if stale else []
    mending = f"; run: {report.command(study)}"
    return f"{study} report: " + ("; ".join(found) + mending if found else f"{COMPLETE}, {len(made['pages'])} pages")


def _shortened(found: list[str], *, shown: int = SHOWN) -> str:
    more = f" and {len(found) - shown} more" if len(found) > shown else ""
    return ", ".join(found[:shown]) + more


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.verify", description="Check a whole study again.")
    parser.add_argument("studies", nargs="+", metavar="study", help="a file in params/, with -seed<N> for a seed")
    parser.add_argument("--seeds", default="", help="the seeds of each, comma-separated")
    given.add_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        given.give_options(options)
        studies = sweeps.named(",".join(options.studies), options.seeds)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    well = True
    for study in studies:
        try:
            verdicts, pages = verify(study), pages_line(study)
        except (StudyError, OSError) as error:  # such as a file that may not be read
            print(f"error: {error}", file=sys.stderr)
            well = False
            continue
        for verdict in verdicts:
            print(verdict.line())
        if pages:
            print(pages)
        well = well and not any(verdict.problems for verdict in verdicts) and not pages.count("; run: ")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
