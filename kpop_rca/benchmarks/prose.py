"""What the numbers say, in sentences made from them."""

import numpy as np
import pandas as pd

from kpop_rca.benchmarks import profiles, tasks, verdicts
from kpop_rca.benchmarks.timing import OURS

# Which profile says why a bar on a task is missed.
PROFILED = {tasks.TRAINING: profiles.TRAINING, tasks.DDIM: profiles.SAMPLING, tasks.DDPM: profiles.SAMPLING}
NAMED = 3  # groups of a profile, the largest
COSTS = {"seconds": "time grows", "peak_bytes": "peak memory"}


def comparisons(ratios: pd.DataFrame) -> list[str]:
    """A sentence for each peer: who is faster, by how much, with what spread, and what of the bar."""
    return [_comparison(row) for row in ratios.itertuples()]


def _comparison(row: tuple) -> str:
    if np.isnan(row.ratio):
        return f"{row.task}: no number for {row.who} ({row.why})."
    faster = row.ratio >= 1
    times = row.ratio if faster else 1 / row.ratio
    low, high = (row.low, row.high) if faster else (1 / row.high, 1 / row.low)
    first, second = (OURS, row.who) if faster else (row.who, OURS)
    said = (
        f"{row.task}: {first} is {times:.2f} times as fast as {second} ({low:.2f} to {high:.2f} over {row.n} repeats)"
    )
    said += ", at equal FLOPs" if row.per == "FLOP" else ""
    return f"{said}; asked for {row.bar:g}: {row.verdict}." if row.verdict else f"{said}."


def shortfalls(ratios: pd.DataFrame, profile: pd.DataFrame, rates: pd.DataFrame, whole_runs: pd.DataFrame) -> list[str]:
    """A sentence for each bar of speed that is not met: how far, and where the time goes where that was profiled."""
    short = ratios[~ratios["verdict"].isin(["", verdicts.MET])]
    found = [_shortfall(row, profile, rates) for row in short.itertuples()]
    missed = whole_runs[whole_runs["verdict"] == verdicts.MISSED]
    found += [f"{row.what}: {row.value:.3g} {row.unit}; asked for {row.bar:g}: missed." for row in missed.itertuples()]
    return found or ["Every bar of speed that was measured is met."]


def _shortfall(row: tuple, profile: pd.DataFrame, rates: pd.DataFrame) -> str:
    if np.isnan(row.ratio):
        return f"{row.task} against {row.who}: not measured ({row.why})."
    said = f"{row.task} against {row.who}: {row.ratio:.2f} where {row.bar:g} was asked for ({row.verdict})"
    ours = rates[(rates["task"] == row.task) & (rates["who"] == OURS)].iloc[0]
    if np.isfinite(ours["share"]):
        said += f"; ours runs at {ours['share']:.0%} of the matrix product's rate"
    if row.task in PROFILED:
        said += f"; {time_goes_to(profile, PROFILED[row.task])}"
    return f"{said}."


def time_goes_to(profile: pd.DataFrame, what: str) -> str:
    """The largest groups of a profile with their shares, and what the operations leave."""
    part = profile[profile["what"] == what].set_index("group")["share"]
    largest = part.drop(profiles.OVERHEAD).nlargest(NAMED)
    listed = ", ".join(f"{share:.0%} in {group}" for group, share in largest.items())
    return f"of a {what} {listed}, and {part[profiles.OVERHEAD]:.0%} {profiles.OVERHEAD}"


def growth(exponents: pd.DataFrame) -> list[str]:
    """A sentence for each axis: the exponents of the time and of the peak memory with their standard errors."""
    said = []
    for (what, axis), part in exponents.dropna(subset=["exponent"]).groupby(["what", "axis"], sort=False):
        powers = [f"{COSTS[row.cost]} to the power {_with_error(row)}" for row in part.itertuples()]
        said.append(f"{what}, with {axis}: {' and '.join(powers)}, over {part['n_sizes'].max()} sizes.")
    return said


def _with_error(row: tuple) -> str:
    error = f" ± {row.standard_error:.2f}" if np.isfinite(row.standard_error) else " (no standard error)"
    return f"{row.exponent:.2f}{error}"


def memory(table: pd.DataFrame) -> list[str]:
    """A sentence for each kind of work: how the peak grows with the data, and what of that is held against the bar."""
    return [
        f"{row.what}: {row.growth:.2f} ± {row.standard_error:.2f} bytes of peak for a byte of data, "
        f"over {row.data_megabytes:.0f} MB; less than 1 {'beyond the data themselves ' if row.held else ''}"
        f"was asked for: {row.verdict}."
        for row in table.itertuples()
    ]
