"""What 06 and 09 found, in sentences computed from their parts of `metrics.json`."""

import math
from typing import Any

from kpop_rca.results import tables


def about_identity(part: dict[str, Any]) -> list[str]:
    """How often the requested identity is shown, from what 06 found."""
    ratio, corrected, verdicts = part["rca"], part["confusion_corrected_accuracy"], tables.identities_by_verdict(part)
    counted = ", ".join(f"{row.verdict} ({row.n})" for row in verdicts.itertuples())
    over = f", over {ratio['verdict_limits']['over']}," if "over" in ratio["verdict_limits"] else ""
    verdict = f"The verdict on the {len(ratio['per_class'])} identities{over} is {counted}."
    recognised = (
        f"The oracle recognises the requested identity {ratio['global']:.2f} times as often in generated faces as in "
        f"real ones (RCA, 95 % interval {_interval(ratio['ci95'])}), where a model that ignores the condition would "
        f"have {ratio['chance']:.2f}."
    )
    if corrected["mean"] is None:
        return [recognised, verdict]
    return [recognised, *about_fraction(part), verdict]


def about_fraction(part: dict[str, Any]) -> list[str]:
    """Which fraction of the images shows the requested identity: a range where a test rejects a single number.

    Args:
        part: what 06 found, or a `metrics.json`; of an earlier version it may have no `assumption`.

    >>> corrected = {"mean": 0.64, "ci95": [0.59, 0.68], "why": ""}
    >>> rejected = {"rejected_by": ["density"], "bounds": {"all": [0.631, 0.744]}}
    >>> print(*about_fraction({"confusion_corrected_accuracy": corrected, "assumption": rejected}), sep=chr(10))
    Between 63 % and 74 % of the images show the requested identity. This is a range over oracles, with the errors of \
each taken out; sampling error comes on top.
    One number would assume that an oracle errs on generated faces as on real ones, which is rejected. By the headline \
oracle alone it would be 64 % (59 to 68 %).
    """
    corrected, found = part["confusion_corrected_accuracy"], part.get("assumption")
    if corrected["mean"] is None:
        return [f"Which fraction of the images shows the requested identity is not known: {corrected['why']}."]
    low, high = (f"{100 * end:.0f}" for end in corrected["ci95"])
    value, interval = _percent(corrected["mean"]), f"{low} to {high} %"
    alike = "an oracle errs on generated faces as on real ones"
    bounds = ((found or {}).get("bounds") or {}).get("all")
    if found is not None and found["rejected_by"] and bounds is not None:
        return [
            f"Between {_percent(bounds[0])} and {_percent(bounds[1])} of the images show the requested identity. This "
            "is a range over oracles, with the errors of each taken out; sampling error comes on top.",
            f"One number would assume that {alike}, which is rejected. By the headline oracle alone it would be "
            f"{value} ({interval}).",
        ]
    if found is None:
        worth = ", which was not tested here"
    elif found["rejected_by"]:
        worth = ", which is rejected; no range can be given"
    else:
        worth = "; no test rejects that"
    return [
        f"{value} of the images show the requested identity, once the oracle's errors are taken out (95 % interval "
        f"{interval}).",
        f"This assumes that {alike}{worth}.",
    ]


def about_recipe(part: dict[str, Any]) -> str:
    """What the recipe would reach with another training and other oracles: from what 06 found."""
    recipe = part["rca"]["recipe"]
    if recipe["value"] is None:
        return f"What another training would reach is not known: {recipe['why']}."
    return (
        f"This recipe: RCA {recipe['value']:.2f}, 95 % interval {_interval(recipe['ci95'])}, for other trainings and "
        f"other seeds of the oracles (mean of {recipe['n_trainings']} trainings under {len(recipe['oracles'])} "
        f"oracles); one more training will lie in {_interval(recipe['next_training'])} (95 % probability)."
    )


def about_correction(part: dict[str, Any]) -> list[str]:
    """Where the assumption of confusion-corrected accuracy seems to fail, and the limits of the verdicts: from 06."""
    ratio, corrected = part["rca"], part["confusion_corrected_accuracy"]
    limits = ratio["verdict_limits"]
    said = [
        f"Non-inferior to real: class RCA above {limits['non_inferior']}; inferior: below. No effect of the condition: "
        f"a rise below {limits['no_effect']} of that on real faces.",
        f"RCA of a perfect generator with these test faces: {ratio['perfect']:.3f}.",
    ]
    if corrected["mean"] is None:
        return [*said, f"Confusion-corrected accuracy was not computed: {corrected['why']}."]
    return [
        *said,
        f"Confusion-corrected accuracy {corrected['mean']:.3f} ({_interval(corrected['ci95'], 3)}), by chance "
        f"{corrected['chance']:.3f}; condition number of the oracle's confusion {corrected['condition_number']:.2f}.",
        f"Outside 0 to 1, which the assumption excludes: {', '.join(corrected['outside']) or 'nobody'}. With every "
        f"fraction held between 0 and 1 the mean is {corrected['mean_on_simplex']:.3f}.",
    ]


def about_assumption(part: dict[str, Any]) -> list[str]:
    """Whether the assumption of confusion-corrected accuracy holds up, and bounds where it does not: from 06."""
    found = part["assumption"]
    agreed, density, bounds = found["agreement"], found["density"], found["bounds"]
    if agreed["agree"] is None:
        oracles = f"Whether the oracles can all be right was not tested: {agreed['why']}."
    else:
        verdict = "may all be right" if agreed["agree"] else "cannot all be right"
        p = "" if agreed["p"] is None else f" (p = {agreed['p']:.2g})"
        oracles = f"The {len(agreed['oracles'])} oracles {verdict} about these images{p}."
    where = "above" if density["within"] else "at or below"
    worth = "" if density["within"] else ", where the correction may mislead"
    said = [
        oracles,
        f"The density of the images among real features is {density['density']:.2f} (real images: about 1), {where} "
        f"the limit of {density['limit']:.2f}{worth}.",
    ]
    if bounds is None or bounds["all"] is None:
        return said
    matched = bounds["matched"]
    alike = f"{matched['kind']} of {matched['level']:g}" if matched["level"] else "no degradation"
    said.append(
        f"So only a range can be given for corrected accuracy: {_interval(bounds['all'])}. It is over the oracles, and "
        f"over these with the confusion on real faces degraded alike ({alike})."
    )
    return said


def assumption_in_short(found: dict[str, Any] | None) -> str:
    """For a table: whether the assumption of confusion-corrected accuracy is rejected, with the range that is left.

    >>> assumption_in_short(None), assumption_in_short({"rejected_by": ["density"], "bounds": {"all": [0.6, 0.75]}})
    ('not tested', 'rejected: 0.60 to 0.75')
    """
    if found is None:
        return "not tested"
    if not found["rejected_by"]:
        return "not rejected"
    bounds = (found["bounds"] or {}).get("all")
    return "rejected" if bounds is None else f"rejected: {_interval(bounds)}"


def about_groups(within: dict[str, Any] | None) -> str:
    """How much more often a look-alike is predicted for generated faces than for real ones: `within_groups` of 06."""
    excess = (within or {}).get("excess", {})
    if excess.get("ci95") is None:
        return "Errors within look-alike groups are not compared: no groups are named, or an identity has no images."
    low, high = (100 * end for end in excess["ci95"])
    return (
        f"A look-alike is predicted for {_percent(excess['rate_within_generated'], 1)} of the generated faces and "
        f"{_percent(excess['rate_within_real'], 1)} of the real ones: an excess of {100 * excess['excess']:.1f} points "
        f"({low:.1f} to {high:.1f}); p = {excess['p']:.3f} among {excess['n_splits']} groupings."
    )


def about_quality_of_right(found: dict[str, tuple[float, float]]) -> list[str]:
    """Whether quality tells which images show the requested identity, from `rca.quality_of_right_images` by measure.

    >>> print(*about_quality_of_right({"sharpness": (0.61, 0.002), "texture": (0.48, 0.4)}), sep=chr(10))
    Of two images of one requested identity, is the one that is recognised the better one? 50 % would say nothing.
    By sharpness in 61 % of the pairs (p = 0.002), by texture in 48 % of the pairs (p = 0.4).
    """
    known = {name: pair for name, pair in found.items() if not math.isnan(pair[0])}
    if not known:
        return ["All images are recognised, or none is: there is nothing that quality could tell apart."]
    told = ", ".join(f"by {name} in {_percent(value)} of the pairs (p = {p:.1g})" for name, (value, p) in known.items())
    asked = "Of two images of one requested identity, is the one that is recognised the better one?"
    return [f"{asked} 50 % would say nothing.", f"{told[0].upper()}{told[1:]}."]


def about_quality(visual: dict[str, Any], cas: dict[str, Any], memorisation: list[dict[str, Any]]) -> list[str]:
    """How near generated faces come to real ones, and whether they are copies: two sentences, from what 09 found."""
    distance, ratio, copying = visual["oracle_frechet"], cas["ratio"], memorisation[0]
    if distance["value_at_same_n"] is None:
        near = f"No Fréchet distance was computed ({distance['why']})"
    else:
        near = (
            f"On the oracle's features the generated faces lie at a Fréchet distance of "
            f"{distance['value_at_same_n']:.2f} from real ones, and as many other real faces at "
            f"{distance['real_vs_real']:.2f}"
        )
    if ratio["value"] is not None:
        near += (
            f"; an oracle trained on them is {ratio['value']:.2f} times as accurate on real faces "
            f"({_interval(ratio['ci95'])}) as one trained on real faces"
        )
    return [f"{near}.", about_copies(copying)]


def about_copies(copying: dict[str, Any]) -> str:
    """Whether images are copies of training faces, from `image_metrics.copying`, in a sentence."""
    if copying["copies"] is None:
        return f"Whether they are copies of training faces was not determined: {copying['why']}."
    found = "No copies are found"
    if copying["copies"]:
        found = f"{_percent(copying['excess'])} of them are copies of training faces"
    nearest, by_chance = (_percent(copying[name]) for name in ("fraction_nearer_train", "fraction_by_chance"))
    return f"{found}: {nearest} are nearest to a training face, {by_chance} by chance."


def _interval(pair: list[float], digits: int = 2) -> str:
    return " to ".join(f"{end:.{digits}f}" for end in pair)


def _percent(fraction: float, digits: int = 0) -> str:
    return f"{100 * fraction:.{digits}f} %"
