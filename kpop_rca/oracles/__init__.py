"""The classifiers that tell who is on an image: training, predictions, calibration, agreement, CAS (04 and 06)."""

from kpop_rca.oracles.agreement import by_difference, effect_of_overlap, headline_counts, pairwise, rca_by_oracle
from kpop_rca.oracles.candidates import capped, list_candidates
from kpop_rca.oracles.cas import classification_accuracy_scores
from kpop_rca.oracles.predictions import load_predictions, predict_all, select, trained
from kpop_rca.oracles.tables import comparison, hard_case_accuracy, over_seeds, paired_comparisons, reliability
from kpop_rca.oracles.training import (
    OracleRecipe,
    load_oracle,
    predict,
    read_history,
    read_test_predictions,
    train_all,
)

__all__ = [
    "OracleRecipe",
    "by_difference",
    "capped",
    "classification_accuracy_scores",
    "comparison",
    "effect_of_overlap",
    "hard_case_accuracy",
    "headline_counts",
    "list_candidates",
    "load_oracle",
    "load_predictions",
    "over_seeds",
    "paired_comparisons",
    "pairwise",
    "predict",
    "predict_all",
    "rca_by_oracle",
    "read_history",
    "read_test_predictions",
    "reliability",
    "select",
    "train_all",
    "trained",
]
