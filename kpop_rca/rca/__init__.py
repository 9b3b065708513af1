"""Relative Classification Accuracy (RCA): how often the judge recognises generated faces, relative to real ones.

Everything starts from two confusion counts of one judge, (K, K) arrays whose rows are the true identity (real
images) or the identity that was asked for (generated images), and whose columns are what the judge says:

    RCA   = accuracy_generated / accuracy_real            (paper, eq. 5)
    RCA_c = recall_generated,c / recall_real,c            (paper, Table 4)

RCA's numerator, a classifier trained on real images and tested on generated ones, is "GAN-test" (Shmelkov et al.
2018). A generator that ignores the class has an RCA of (1/K) / accuracy_real, not of 0, and RCA can exceed 1. Both
are faults of the ratio rather than of the generator; `fidelity` takes the judge's errors out instead:

- `counts`: confusion counts, accuracy, recall, informedness.
- `ratio`: RCA, its closed-form intervals, chance, the chance-corrected ratio, tests of the classes.
- `fidelity`: the mixture of true identities that explains what the judge says.
- `collapse`: whom the generated faces are taken for.
- `bootstrap`: intervals of all of these over real and generated images, under every judge.
- `judge_seeds`: means over judges that differ by their seed, and their intervals.
- `class_intervals`: those of the fidelity of single classes, in closed form.
- `summary`: the parts of `metrics.json`.
"""

from kpop_rca.rca.bootstrap import bootstrap, intervals, redrawn, resampled_counts
from kpop_rca.rca.class_intervals import class_fidelity_intervals
from kpop_rca.rca.collapse import (
    directed_flows,
    group_confusion,
    group_excess,
    judged_label_shares,
    strongest_confusions,
    within_group_rate,
)
from kpop_rca.rca.confusion_corrected import (
    condition_number,
    identity_fidelity,
    identity_mixtures,
    simplex_mixtures,
)
from kpop_rca.rca.counts import (
    accuracy,
    class_recall,
    classwise_report,
    confusion_counts,
    informedness,
)
from kpop_rca.rca.oracle_seeds import OVER_JUDGES, over_judges
from kpop_rca.rca.ratio import (
    AS_REAL,
    CONFIDENCE,
    IN_VAIN,
    NOT_MEASURABLE,
    chance_corrected,
    chance_corrected_rca,
    chance_rca,
    class_rca,
    class_tests,
    global_rca,
    holm,
    macro_rca,
    perfect_rca,
    ratio_interval,
)
from kpop_rca.rca.summary import collapse_summary, fidelity_summary, fidelity_table, summary

__all__ = [
    "AS_REAL",
    "CONFIDENCE",
    "IN_VAIN",
    "NOT_MEASURABLE",
    "OVER_JUDGES",
    "accuracy",
    "bootstrap",
    "chance_corrected",
    "chance_corrected_rca",
    "chance_rca",
    "class_fidelity_intervals",
    "class_rca",
    "class_recall",
    "class_tests",
    "classwise_report",
    "collapse_summary",
    "condition_number",
    "confusion_counts",
    "directed_flows",
    "fidelity_summary",
    "fidelity_table",
    "global_rca",
    "group_confusion",
    "group_excess",
    "holm",
    "identity_fidelity",
    "identity_mixtures",
    "informedness",
    "intervals",
    "judged_label_shares",
    "macro_rca",
    "over_judges",
    "perfect_rca",
    "ratio_interval",
    "redrawn",
    "resampled_counts",
    "simplex_mixtures",
    "strongest_confusions",
    "summary",
    "within_group_rate",
]
