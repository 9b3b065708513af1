"""The long work of 03 or 05 done by several processes, one a GPU, before its notebook runs.

    accelerate launch -m kpop_rca.launch 03 --study idols10-32
    python -m kpop_rca.run 03 --study idols10-32

What they leave is work in progress, as an interrupted notebook leaves it: the notebook finds the last checkpoint, or
every batch of images, and goes on from there to its figures. Without `accelerate launch` it is one process.
"""

import argparse
import sys

from accelerate import PartialState

from kpop_rca.diffusion import distributed
from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.study import given, manifests, params, stage_run, stages
from kpop_rca.system import devices


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    """Do the long work of 03 or 05 in as many processes as were launched; returns the exit status."""
    parser = argparse.ArgumentParser(prog="accelerate launch -m kpop_rca.launch", description=__doc__.split("\n")[0])
    parser.add_argument("notebook", help="03 or 05")
    parser.add_argument("--study", default="quick", help="name of a file in params/")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    given.give(asked.set)
    stage, study = stages.by_notebook(asked.notebook), asked.study
    if stage.folder not in ("ddpm", "generated"):
        raise StudyError(f"{stage.notebook} is done by one process; run: {manifests.command(study, stage)}")
    parameters = params.of_notebook(stage.notebook, params.resolve(study))
    if parameters.get("weights"):
        raise StudyError(f"{study} trains nothing, its weights are published; run: {manifests.command(study, stage)}")
    state = PartialState(cpu=devices.choose(parameters["device"]).type == "cpu")
    try:
        if state.is_main_process:
            stage_run.begin(stage.notebook, parameters)
        state.wait_for_everyone()
        if stage.folder == "ddpm":
            distributed.train(parameters)
        else:
            distributed.generate(parameters, state=state)
        state.wait_for_everyone()
        said, status = f"done; for the figures run: {manifests.command(study, stage)}", 0
    except KeyboardInterrupt:
        said, status = "stopped; the same command goes on from what is saved", 130
    finally:
        is_main = state.is_main_process
        state.destroy_process_group()
    if is_main:
        print(said, file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main())
