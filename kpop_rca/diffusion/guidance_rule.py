"""The rule by which a study's guidance weight is chosen, and what came of it.

Guidance trades diversity for identity, so a weight that is picked by eye, or by the study's own RCA, flatters it. Of
the weights whose mean Fréchet distance is at most `SLACK` times the lowest, the rule takes the one of the highest RCA.
`validity.guidance_choice` measures both on oracles and images that take no further part, and leaves the table.
"""

import pandas as pd

from kpop_rca.study import paths

SLACK = 1.25
REPORT = "guidance"  # the folder of the tables, in reports/


def chosen_guidance(table: pd.DataFrame) -> float:
    """The weight that the rule takes, from guidance, rca and frechet, one row per weight; the lowest of equals.

    >>> chosen_guidance(pd.DataFrame({"guidance": [0, 1, 2], "rca": [0.5, 0.7, 0.9], "frechet": [4.0, 4.9, 8.0]}))
    1.0
    """
    close = table[table["frechet"] <= SLACK * table["frechet"].min()]
    return float(close.loc[close["rca"].idxmax(), "guidance"])


def committed_guidance(study: str) -> pd.DataFrame:
    """RCA and Fréchet distance at each weight, as they came with the project; without rows for a study that has none.

    Returns:
        guidance, n_images, n_oracles, rca, frechet and chosen (bool).
    """
    path = paths.committed_report(REPORT) / f"{study}.csv"
    columns = ["guidance", "n_images", "n_oracles", "rca", "frechet", "chosen"]
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=columns)


def about_guidance(table: pd.DataFrame, guidance: float) -> str:
    """Whether the weight in use is that of the rule: a sentence."""
    if table.empty:
        return (
            "The weight is not chosen by a rule in this study; python -m kpop_rca.validity.guidance_choice tells what "
            "the rule would take."
        )
    rule = table[table["chosen"].astype(bool)].iloc[0]
    told = (
        f"The rule takes w = {rule['guidance']:g}, with RCA {rule['rca']:.2f} and a Fréchet distance of "
        f"{rule['frechet']:.1f} on {rule['n_oracles']:.0f} validation oracles"
    )
    return f"{told}." if rule["guidance"] == guidance else f"{told}; here w is {guidance:g}."
