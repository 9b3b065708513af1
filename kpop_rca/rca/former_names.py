"""Keys and verdicts of `metrics.json`, and columns of saved tables, as earlier versions wrote them."""

from typing import Any

from kpop_rca.rca.ratio import INCONCLUSIVE, INFERIOR, NO_EFFECT, NON_INFERIOR, SUPERIOR

FORMER_KEYS = {
    "identity_fidelity": "confusion_corrected_accuracy",
    "fidelity": "confusion_corrected_accuracy",
    "fidelity_why": "confusion_corrected_accuracy_why",
    "over_judges": "over_oracles",
    "share": "fraction",
    "share_real": "fraction_real",
    "share_within": "fraction_within",
    "share_if_even": "fraction_if_even",
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


def with_present_names(metrics: Any) -> Any:
    """What was read from a `metrics.json`, keys and verdicts by their present names.

    >>> with_present_names({"identity_fidelity": {"mean": 0.5}, "per_class": [{"verdict": "in vain"}]})
    {'confusion_corrected_accuracy': {'mean': 0.5}, 'per_class': [{'verdict': 'no effect of the condition'}]}
    """
    if isinstance(metrics, list):
        return [with_present_names(part) for part in metrics]
    if not isinstance(metrics, dict):
        return metrics
    found = {FORMER_KEYS.get(key, key): with_present_names(value) for key, value in metrics.items()}
    if isinstance(found.get("verdict"), str):
        found["verdict"] = FORMER_VERDICTS.get(found["verdict"], found["verdict"])
    return found
