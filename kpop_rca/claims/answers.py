"""What a sweep found, in sentences that are true whatever its numbers are."""

import numpy as np
import pandas as pd

from kpop_rca.claims.verdicts import POWER, SUPPORTED, VERDICTS


def about_claims(found: pd.DataFrame) -> list[str]:
    """How the claims fared, and what the design can see: two sentences.

    Args:
        found: from `with_detectable`.
    """
    counts = found["verdict"].value_counts()
    said = ", ".join(f"{counts.get(name, 0)} {name}" for name in VERDICTS)
    known = found["detectable"].dropna()
    sentences = [f"Of {len(found)} comparisons, corrected for their number: {said}."]
    if known.empty:
        return [*sentences, "One seed has no spread: which effects the design can see is not known."]
    return [
        *sentences,
        f"With probability {POWER:g} one comparison, taken alone, shows an effect of {known.median():.2f} (median; "
        f"{known.min():.2f} to {known.max():.2f} by comparison).",
    ]


def about_explanations(found: pd.DataFrame) -> list[str]:
    """The paper's explanations of a low RCA, each with its verdict, effect and interval: a line for each.

    Args:
        found: from `verdicts.verdict_table`.
    """
    explains = found[(found["section"] != "") & found["section"].notna() & (found["response"] != "accuracy_real")]
    return [
        f"{row.claim} ({row.level} against {row.reference}): {row.verdict}, "
        f"{row.effect:+.2f} ({row.low:+.2f} to {row.high:+.2f})"
        for row in explains.itertuples()
    ]


def about_undecided(found: pd.DataFrame) -> list[str]:
    """What the intervals exclude where a claim of a direction is not supported: a line for each.

    Args:
        found: from `verdicts.verdict_table`.
    """
    lines = []
    for row in found[(found["expected"] != 0) & (found["verdict"] != SUPPORTED)].itertuples():
        change = f"{row.claim} ({row.level} against {row.reference}): {row.verdict}"
        end = row.high if row.expected > 0 else -row.low
        if np.isnan(end):
            lines.append(f"{change}; one seed excludes nothing")
        else:
            left = f"an effect above {end:.2f}" if end > 0 else "any effect"
            lines.append(f"{change}; excluded is {left} in the claimed direction")
    return lines


def about_shared_faces(shared: pd.DataFrame) -> str:
    """Where oracles were trained on most of a generator's training faces: a sentence, from `verdicts.shared_faces`."""
    if shared.empty:
        return "No level is classified by another level's oracles."
    worst = shared.loc[shared["fraction"].idxmax()]
    level = f"{worst['experiment']} {worst['level']}"
    return f"Most training faces shared with oracles: {worst['fraction']:.1%} ({level})"
