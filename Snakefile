"""The study as a graph: the notebooks and a report, each rerun only when something that it depends on changed.

    snakemake --cores all --config studies=quick,lfw10-quick seeds=0,1
    snakemake --cores all --config studies=claims
    snakemake --cores all --config studies=mine data_root=../faces set='train_steps=100 guidance=1.0'

A notebook depends on the manifests of the stages before it, on its parameters as resolved, on its code cells and on
the package modules that it imports. The last three enter as `params`, which Snakemake compares with those of the run
before. What was complete and is not as it was left (a table, a photograph) is made again, too: see `withdrawn`.

A study that asks for a sweep is one notebook, which runs its small studies itself (`kpop_rca.claims.small_studies`).
"""

import json
import shlex
import sys
from functools import cache

from snakemake.exceptions import WorkflowError

from kpop_rca import studies
from kpop_rca.errors import StudyError
from kpop_rca.study import fingerprint, given, manifests, params, paths, stages
from kpop_rca.system import locks


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
WORKS = {study: params.works(study) for study in ASKED}
# In a command by name, not as `params`: neither another interpreter nor another way of giving the same value changes a
# result. Whatever stands there, braces among it, is text.
PYTHON = sys.executable
GIVEN = given.arguments()


@cache
def resolved(name):
    return params.resolve(name)


@cache
def manifest(study, folder):
    return f"artifacts/{study}/{folder}/manifest.json"


def what_it_reads(stage, study):
    """The manifests of the stages before it."""
    return [manifest(study, need) for need in stage.needs]


# A notebook keeps all cores busy. Snakemake tells the mathematical libraries the number of a job's threads: where two
# notebooks share the cores, each is told half of them, also while it is alone, and both together take longer than one
# after the other. A cluster gives none: there each job has a machine of its own.
CORES = workflow.cores or 8


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
    """What was complete and is not as it was left, such as a table that is gone: taken back, to be made again."""
    dry_run = bool({"-n", "--dry-run", "--dryrun"} & set(sys.argv))
    found = [
        manifests.withdraw(study, stage, params.of_notebook(stage.notebook, resolved(study)), dry_run=dry_run)
        for study, works in WORKS.items()
        for stage in works
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
        [manifest(study, stage.folder) for study, works in WORKS.items() for stage in works],
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
        threads: CORES
        resources:
            mem_mb=6000,
            runtime="24h",
        shell:
            "{PYTHON:q} -m kpop_rca.run {params.notebook} --study {wildcards.study:q}{GIVEN}"


rule report:
    input:
        lambda wildcards: [manifest(wildcards.study, stage.folder) for stage in WORKS[wildcards.study]],
    output:
        "reports/{study}/index.html",
    params:
        depends=fingerprint.of_modules("results.pages"),
    shell:
        "{PYTHON:q} -m kpop_rca.report --study {wildcards.study:q}"
