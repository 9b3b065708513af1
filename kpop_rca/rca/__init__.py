"""Relative Classification Accuracy (RCA): how often the oracle recognises generated faces, relative to real ones.

Every estimator starts from two (K, K) arrays of confusion counts of one oracle, columns as predicted: `real_counts`
of held-out real images, whose rows are the true identities, and `generated_counts`, whose rows are the requested ones.
StudyError names a class without images, or an oracle too poor for the estimator.

    RCA   = accuracy_generated / accuracy_real            (paper, eq. 5)
    RCA_c = recall_generated,c / recall_real,c            (paper, Table 4)

RCA's numerator, a classifier trained on real images and tested on generated ones, is "GAN-test" (Shmelkov et al.
2018). A generator that ignores the class has an RCA of (1/K) / accuracy_real, not of 0, and RCA can exceed 1;
`confusion_corrected` takes the oracle's errors out instead. Tables are pandas data frames.
"""

from kpop_rca.rca.bootstrap import bootstrap, intervals, resampled, resampled_counts, resampled_means
from kpop_rca.rca.by_quality import quality_of_right_images, rca_by_quality
from kpop_rca.rca.class_intervals import class_confusion_corrected_intervals
from kpop_rca.rca.collapse import (
    directed_flows,
    group_confusion,
    group_excess,
    predicted_class_frequencies,
    strongest_confusions,
    within_group_rate,
)
from kpop_rca.rca.confusion_corrected import (
    condition_number,
    confusion_corrected_accuracy,
    identity_mixtures,
    simplex_mixtures,
)
from kpop_rca.rca.counts import accuracy, class_recall, classwise_report, confusion_counts, informedness
from kpop_rca.rca.oracle_seeds import OVER_ORACLES, over_oracles
from kpop_rca.rca.paired import change_verdict, paired_accuracy, paired_rca
from kpop_rca.rca.person_verdicts import Predicted, person_verdicts, verdict_entries
from kpop_rca.rca.ratio import (
    CONFIDENCE,
    INCONCLUSIVE,
    INFERIOR,
    NO_EFFECT,
    NO_EFFECT_LIMIT,
    NON_INFERIOR,
    NON_INFERIORITY_LIMIT,
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
from kpop_rca.rca.reasons import with_reasons
from kpop_rca.rca.summary import collapse_summary, confusion_corrected_summary, confusion_corrected_table, summary

__all__ = [
    "CONFIDENCE",
    "INCONCLUSIVE",
    "INFERIOR",
    "NON_INFERIOR",
    "NON_INFERIORITY_LIMIT",
    "NOT_MEASURABLE",
    "NO_EFFECT",
    "NO_EFFECT_LIMIT",
    "OVER_ORACLES",
    "Predicted",
    "accuracy",
    "bootstrap",
    "chance_corrected",
    "chance_corrected_rca",
    "chance_rca",
    "change_verdict",
    "class_confusion_corrected_intervals",
    "class_rca",
    "class_recall",
    "class_tests",
    "classwise_report",
    "collapse_summary",
    "condition_number",
    "confusion_corrected_accuracy",
    "confusion_corrected_summary",
    "confusion_corrected_table",
    "confusion_counts",
    "directed_flows",
    "global_rca",
    "group_confusion",
    "group_excess",
    "holm",
    "identity_mixtures",
    "informedness",
    "intervals",
    "macro_rca",
    "over_oracles",
    "paired_accuracy",
    "paired_rca",
    "perfect_rca",
    "person_verdicts",
    "predicted_class_frequencies",
    "quality_of_right_images",
    "ratio_interval",
    "rca_by_quality",
    "resampled",
    "resampled_counts",
    "resampled_means",
    "simplex_mixtures",
    "strongest_confusions",
    "summary",
    "verdict_entries",
    "with_reasons",
    "within_group_rate",
]
