"""Answers on pairs (first, second, tie) into one score for each alternative: Bradley-Terry with ties."""

import pandas as pd

from kpop_rca.errors import StudyError

WINNERS = ("first", "second", "tie")


def bradley_terry(pairs: pd.DataFrame) -> pd.DataFrame:
    """Alternatives with their strengths by Newman's iteration for Bradley-Terry with ties, best first.

    Args:
        pairs: first, second (names of the alternatives) and winner ("first", "second", "tie").

    Source: Newman (2023), "Efficient computation of rankings from pairwise comparisons"; ties as Rao and Kupper's.
    """
    try:
        import evalica
    except ImportError:
        raise StudyError("answers on pairs need evalica; install it: pip install 'kpop-rca[ratings]'") from None
    unknown = sorted(set(pairs["winner"]) - set(WINNERS))
    if unknown:
        raise StudyError(f"winner {unknown[0]!r} of a pair is none of {', '.join(WINNERS)}")
    won = dict(zip(WINNERS, (evalica.Winner.X, evalica.Winner.Y, evalica.Winner.Draw), strict=True))
    found = evalica.newman(pairs["first"], pairs["second"], pairs["winner"].map(won), limit=1000)
    strengths = found.scores.rename_axis("alternative").rename("strength")
    return strengths.sort_values(ascending=False, kind="stable").reset_index()
