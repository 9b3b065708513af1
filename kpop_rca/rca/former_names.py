"""Keys and verdicts of `metrics.json`, and columns of saved tables, as the version before wrote them.

They are read for this version; the next one may drop this module.
"""

from typing import Any

from kpop_rca.rca.ratio import INCONCLUSIVE, INFERIOR, NO_EFFECT, NON_INFERIOR, SUPERIOR

MEASURES = ("frechet", "frechet_class_mean", "frechet_infinity", "kernel", "precision", "recall", "density", "coverage")
FORMER_KEYS = {
    "judge": "oracle",
    "judges": "oracles",
    "judged_as": "predicted_as",
    "judge_test_generated": "headline_oracle_test_generated",
    "judge_feature_diversity": "oracle_feature_diversity",
    **{f"judge_{name}": f"oracle_{name}" for name in MEASURES},
    "identity_fidelity": "confusion_corrected_accuracy",
    "fidelity": "confusion_corrected_accuracy",
    "fidelity_why": "confusion_corrected_accuracy_why",
    "over_judges": "over_oracles",
    "share": "fraction",
    "share_real": "fraction_real",
    "share_within": "fraction_within",
    "share_if_even": "fraction_if_even",
    "share_nearer_train": "fraction_nearer_train",
    "share_by_chance": "fraction_by_chance",
    "p_share": "p_fraction",
    "held": "covered",
    "n_learnt": "n_training_faces",
    "n_learnt_by_both": "n_shared_faces",
    "p_in_vain": "p_no_effect",
    "p_as_real": "p_equal_to_real",
    "in_vain": "no_effect",
    "as_real": "non_inferior",
}
FORMER_VERDICTS = {
    "in vain": NO_EFFECT,
    "as real": NON_INFERIOR,
    "worse than real": INFERIOR,
    "better than real": SUPERIOR,
    "undecided": INCONCLUSIVE,
}


def with_present_names(metrics: dict[str, Any]) -> dict[str, Any]:
    """What was read from a `metrics.json`, keys and verdicts by their present names.

    `oracle`, the records of all, and `judge`, the name of one, are now `oracles` and `headline_oracle`.

    >>> former = {"judge": "resnet10-0", "identity_fidelity": {"mean": 0.5}, "per_class": [{"verdict": "in vain"}]}
    >>> with_present_names(former)["headline_oracle"], with_present_names(former)["per_class"]
    ('resnet10-0', [{'verdict': 'no effect of the condition'}])
    """
    found = _renamed(metrics)
    for side, former in ((found, metrics), (found.get("paper"), metrics.get("paper"))):
        if isinstance(former, dict) and "judge" in former:
            side |= {"headline_oracle": side.pop("oracle"), "oracles": _renamed(former.get("oracle"))}
    return found


def _renamed(part: Any) -> Any:
    if isinstance(part, list):
        return [_renamed(value) for value in part]
    if not isinstance(part, dict):
        return part
    found = {FORMER_KEYS.get(key, key): _renamed(value) for key, value in part.items()}
    if isinstance(found.get("verdict"), str):
        found["verdict"] = FORMER_VERDICTS.get(found["verdict"], found["verdict"])
    return found
