"""The study as a graph: the notebooks and a report, each rerun only when something that it depends on changed.

    snakemake --cores all --config studies=quick,lfw10-quick seeds=0,1
    snakemake --cores all --config studies=claims
    snakemake --cores all --config studies=mine data_root=../faces set='train_steps=100 guidance=1.0'

A notebook depends on the manifests of the stages before it, on its parameters as resolved, on its code cells and on
the package modules that it imports. The last three enter as `params`, which Snakemake compares with those of the run
before. What was complete and is not as it was left (a table, a photograph) is made again, too: see `withdrawn`.

A study that asks for a sweep is one notebook over many small studies, which run side by side, a core each. They
borrow from each other what their levels do not change (`kpop_rca.study.sweeps`).
"""

import json
import shlex
import sys
from functools import cache

from snakemake.exceptions import WorkflowError

from kpop_rca import studies
from kpop_rca.errors import StudyError
from kpop_rca.study import fingerprint, given, manifests, params, paths, stages, sweeps
from kpop_rca.system import locks, parallel


workdir: paths.output_root()


DATA_ROOT, SET = config.get("data_root") or "", config.get("set") or []
if not isinstance(DATA_ROOT, str):
    raise WorkflowError(f"data_root was read as {DATA_ROOT!r}; put ./ before it, or name it in the study file")
try:
    settings = SET if isinstance(SET, list) else shlex.split(str(SET))
    given.give([f"data_root={DATA_ROOT}", *settings] if DATA_ROOT else settings)
    ASKED = studies.resolved(config.get("studies", "quick"), config.get("seeds", ""))
except (StudyError, ValueError) as error:  # ValueError: a quotation mark in SET is not closed
    raise WorkflowError(str(error)) from None

STUDIES = list(ASKED)
RUNS = {study: params.works(study) for study in ASKED}  # with those of the small studies of a sweep
# In a command by name, not as `params`: neither another interpreter nor another way of giving the same value changes a
# result. Whatever stands there, braces among it, is text.
PYTHON = sys.executable
GIVEN = given.arguments()


@cache
def resolved(name):
    return params.resolve(name)


@cache
def manifest(study, folder):
    return f"artifacts/{params.owner(study, folder)}/{folder}/manifest.json"


def what_it_reads(stage, study):
    """The manifests of the stages before it; for the notebook of a sweep, those of its small studies."""
    return [manifest(*place) for place in params.inputs(stage, study).values()]


SMALL = {owner for study, works in RUNS.items() for owner, _ in works if owner != study}


def cores_of(study):
    """The cores that a notebook keeps busy, all that there are; a small study of a sweep on a CPU has one.

    Snakemake tells the mathematical libraries the number of a job's threads. Where two notebooks share the cores, each
    is told half of them, also while it is alone, and both together take longer than one after the other.
    """
    if study in SMALL and parallel.on_cpu(resolved(study)["device"]):
        return 1
    return workflow.cores or 8  # a cluster gives none: each job has a machine of its own


def what_it_depends_on(stage, study):
    """The parameters and the code that a notebook's results follow from, as one string."""
    parameters = params.of_notebook(stage.notebook, resolved(study))
    return json.dumps(
        {
            "parameters": manifests.compared(parameters, also=manifests.SHOWN),
            "code": fingerprint.of_notebook(stage.notebook),
        },
        sort_keys=True,
    )


# Each stage has a lock of its own; this one stops a second run of a study before it starts on any. It is freed by the
# operating system when this process ends, which Snakemake's own is not.
onstart:
    for study in STUDIES:
        try:
            locks.take(paths.artifacts_folder(study) / ".lock", what=f"the study {study}", then="then run it again")
        except StudyError as error:
            raise WorkflowError(str(error)) from None


def withdrawn():
    """What was complete and is not as it was left, such as a table that is gone; taken back, so that it is made again."""
    dry_run = bool({"-n", "--dry-run", "--dryrun"} & set(sys.argv))
    works = dict.fromkeys(work for works in RUNS.values() for work in works)
    found = [
        manifests.withdraw(study, stage, params.of_notebook(stage.notebook, resolved(study)), dry_run=dry_run)
        for study, stage in works
    ]
    found += [manifests.withdraw(study, None, {}, dry_run=dry_run) for study in STUDIES]
    return [line for line in found if line]


if workflow.is_main_process:  # not in the process of a job, beside which others are at work
    for line in withdrawn():
        print(f"note: {line}", file=sys.stderr)


wildcard_constraints:
    study="[^/]+",


# The manifests are asked for by name as well: a fresh checkout holds the committed report of `quick` but none of
# the artifacts behind it, and a report that is already there would be all that is wanted.
rule all:
    input:
        [manifest(owner, stage.folder) for works in RUNS.values() for owner, stage in works],
        [f"reports/{study}/index.html" for study in STUDIES],


for stage in stages.EVERY:

    rule:
        name:
            f"notebook_{stage.notebook}"
        input:
            lambda wildcards, stage=stage: what_it_reads(stage, wildcards.study),
        output:
            f"artifacts/{{study}}/{stage.folder}/manifest.json",
        params:
            depends=lambda wildcards, stage=stage: what_it_depends_on(stage, wildcards.study),
            notebook=stage.notebook,
        threads: lambda wildcards: cores_of(wildcards.study)
        resources:
            mem_mb=6000,
            runtime="24h",
        shell:
            "{PYTHON:q} -m kpop_rca.run {params.notebook} --study {wildcards.study:q}{GIVEN}"


rule report:
    input:
        lambda wildcards: [manifest(owner, stage.folder) for owner, stage in RUNS[wildcards.study]],
    output:
        "reports/{study}/index.html",
    params:
        depends=fingerprint.of_modules("results.pages"),
    shell:
        "{PYTHON:q} -m kpop_rca.report --study {wildcards.study:q}"
