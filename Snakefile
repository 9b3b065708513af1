"""The study as a graph: the notebooks and a report, each rerun only when something that it depends on changed.

    snakemake --cores all --config studies=quick,lfw10-quick seeds=0,1

A notebook depends on the manifests of the stages before it, on its parameters as resolved, on its code cells, on
the package modules that it imports, and (the first one) on the files in the data folder. The last four enter as
`params`, which Snakemake compares with those of the run before.
"""

import json
import sys

from snakemake.exceptions import WorkflowError

from kpop_rca import fingerprint, params, paths, stages
from kpop_rca.errors import StudyError


workdir: paths.output_root()


def as_list(value):
    """`a,b` on the command line, a list in a config file, or one value: all are a list of strings."""
    return [str(v) for v in value] if isinstance(value, list) else [v for v in str(value).split(",") if v]


DATA_ROOT = config.get("data_root", "")
SEEDS = as_list(config.get("seeds", ""))
STUDIES = as_list(config.get("studies", "quick"))
if SEEDS:
    STUDIES = [f"{study}-seed{seed}" for study in STUDIES for seed in SEEDS]
try:
    RESOLVED = {study: params.resolve(study, data_root=DATA_ROOT) for study in STUDIES}
except StudyError as error:
    raise WorkflowError(str(error)) from None


def manifest(folder):
    return f"artifacts/{{study}}/{folder}/manifest.json"


def what_it_depends_on(stage, study):
    """Everything but the earlier manifests that a notebook's results follow from, as one string."""
    resolved = RESOLVED[study]
    reads_data = not stage.needs
    return json.dumps(
        {
            "parameters": params.of_notebook(stage.notebook, resolved),
            "code": fingerprint.of_notebook(stage.notebook),
            "data": fingerprint.of_data(resolved["data_root"]) if reads_data else None,
        },
        sort_keys=True,
    )


wildcard_constraints:
    study="[^/]+",


# The manifests are asked for by name as well: a fresh checkout holds the committed report of `quick` but none of
# the artifacts behind it, and a report that is already there would be all that is wanted.
rule all:
    input:
        [f"artifacts/{study}/{stage.folder}/manifest.json" for study in STUDIES for stage in stages.STAGES],
        [f"reports/{study}/index.html" for study in STUDIES],


for stage in stages.STAGES:

    rule:
        name:
            f"notebook_{stage.notebook}"
        input:
            [manifest(folder) for folder in stage.needs],
        output:
            manifest(stage.folder),
        log:
            notebook=f"reports/{{study}}/notebooks/{stage.notebook}.ipynb",
        params:
            depends=lambda wildcards, stage=stage: what_it_depends_on(stage, wildcards.study),
            notebook=stage.notebook,
            python=sys.executable,
            data_root=f"--data-root {DATA_ROOT:q}" if DATA_ROOT else "",
        threads: 8
        resources:
            mem_mb=6000,
            runtime="24h",
        shell:
            "{params.python} -m kpop_rca.run {params.notebook} --study {wildcards.study} {params.data_root}"


rule report:
    input:
        [manifest(stage.folder) for stage in stages.STAGES],
    output:
        "reports/{study}/index.html",
    params:
        depends=fingerprint.of_modules("report"),
        python=sys.executable,
    shell:
        "{params.python} -m kpop_rca.report --study {wildcards.study}"
