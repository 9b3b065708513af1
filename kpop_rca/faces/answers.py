"""What 01 and 02 found, in sentences computed from their tables."""

import pandas as pd

from kpop_rca.faces.splits import SPLITS

FOUND = {
    "several_faces": "group shots",
    "non_facial": "images without a human face",
    "identity_mismatch": "images of someone else",
}
DOUBTS = ("non_facial", "several_faces", "identity_mismatch", "cross_identity_duplicate")  # who or what is shown


def about_audit(flagged: pd.DataFrame, accuracy: pd.DataFrame, strength: pd.DataFrame) -> list[str]:
    """How many images are doubted, and how often that is right.

    Args:
        flagged: from `flags.flag_images`.
        accuracy: from `audit_tables.flag_accuracy`, empty for photographs.
        strength: from `flags.trial_table`, empty without a trial.
    """
    n = len(flagged)
    in_doubt = flagged[[f"flag_{name}" for name in DOUBTS]].any(axis=1)
    doubted, nothing = int(in_doubt.sum()), int(((flagged["n_faces"] == 0) & ~in_doubt).sum())
    said = [
        f"Flags doubt who or what is shown in {doubted:,} of {n:,} images ({doubted / n:.1%}); in {nothing:,} others "
        "no face is found."
    ]
    known = accuracy.loc[list(FOUND), "recall"].dropna() if len(accuracy) else accuracy
    if len(known):
        found = ", ".join(f"{recall:.0%} of {FOUND[flag]}" for flag, recall in known.items())
        return [*said, f"Held against the truth of the avatars, they find {found}."]
    if len(strength):
        own = strength.iloc[0]
        return [
            *said,
            f"Of labels exchanged on purpose, the strictest threshold flags {own['recall']:.0%} (95 % interval "
            f"{own['low']:.0%} to {own['high']:.0%}).",
        ]
    return [*said, "How often they are right is not known here: there is no truth, and too few faces for a trial."]


def about_split(reasons: pd.Series, index: pd.DataFrame) -> list[str]:
    """How many images are kept, and what they are for.

    Args:
        reasons: from `splits.exclusion_reasons`, "" for a kept image.
        index: from `splits.make_index`.

    >>> index = pd.DataFrame({"split": ["train", "train", "test"]})
    >>> print(*about_split(pd.Series(["", "", "", "no_face"]), index), sep=chr(10))
    Of 4 images 3 are kept; the most frequent reason to leave one out is no_face (1).
    The generator is trained on 2 faces, and 1 test the oracles; none is on both sides.
    """
    left_out, sizes = reasons[reasons != ""].value_counts(), index["split"].value_counts()
    why = "none is left out"
    if len(left_out):
        why = f"the most frequent reason to leave one out is {left_out.index[0]} ({left_out.iloc[0]:,})"
    apart = int(sizes.get(SPLITS[1], 0))
    oracles = f", the oracles on {apart:,} others" if apart else ""
    return [
        f"Of {len(reasons):,} images {int((reasons == '').sum()):,} are kept; {why}.",
        f"The generator is trained on {int(sizes.get('train', 0)):,} faces{oracles}, and "
        f"{int(sizes.get('test', 0)):,} test the oracles; none is on both sides.",
    ]
