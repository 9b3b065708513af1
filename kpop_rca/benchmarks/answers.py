"""What 90 found, in sentences computed from its tables."""

import pandas as pd

from kpop_rca.benchmarks.verdicts import MET, MISSED, OF_LIMIT, UNDECIDED


def about_speed(ratios: pd.DataFrame, whole_runs: pd.DataFrame) -> list[str]:
    """How many times as fast ours is, and whether the targets are met.

    Args:
        ratios: task, who, ratio, verdict of each comparison.
        whole_runs: what and value; training as a fraction of the machine's limit is one.

    >>> rows = [("training", "a", 1.5, "met"), ("sampling", "b", 3.0, "missed"), ("reading", "c", float("nan"), "")]
    >>> table = pd.DataFrame(rows, columns=["task", "who", "ratio", "verdict"])
    >>> print(*about_speed(table, pd.DataFrame({"what": [OF_LIMIT], "value": [0.59]})), sep=chr(10))
    Ours is faster in 2 of 2 comparisons: 1.5 times (training, a) to 3.0 times (sampling, b). 1 had no number.
    Targets: 1 met, 1 missed, 0 within the spread; training reaches 59 % of what this machine's matrix product allows.
    """
    known = ratios.dropna(subset="ratio")
    counts = ratios["verdict"].value_counts()
    limit = whole_runs.set_index("what")["value"][OF_LIMIT]
    reached = f"training reaches {limit:.0%} of what this machine's matrix product allows".replace("%", " %")
    verdicts = ", ".join(f"{counts.get(name, 0)} {name}" for name in (MET, MISSED, UNDECIDED))
    targets = f"Targets: {verdicts}; {reached}."
    if known.empty:
        return ["No baseline was measured.", targets]
    least, most = known.loc[known["ratio"].idxmin()], known.loc[known["ratio"].idxmax()]
    without = f" {len(ratios) - len(known)} had no number." if len(known) < len(ratios) else ""
    faster = f"Ours is faster in {(known['ratio'] > 1).sum()} of {len(known)} comparisons"
    return [f"{faster}: {_times(least)} to {_times(most)}.{without}", targets]


def _times(row: pd.Series) -> str:
    return f"{row['ratio']:.1f} times ({row['task']}, {row['who']})"
