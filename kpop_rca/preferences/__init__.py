"""A face scorer from (win, loss) pairs, a generator tuned by preferences, and the controls that show when either lies.

`pairs` are made without annotators, `scorer` learns from them, `benchmark` sets scorers beside ladders of known
quality; `dpo` and `guidance` turn a generator towards a score. `experiments` is a study of its own, over seeds:
`experiment` is one of them, `tunings` what is tried on its generator, `composites` what the face score may be made of,
`analysis` and `photographs` try the score, and `committed` reads what came with the project.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "benchmark": ["scorer_table", "with_triplets"],
        "committed": [
            "REWARDS",
            "about_parts",
            "about_search",
            "about_targets",
            "about_tunings",
            "committed_faces",
            "committed_fractions",
            "committed_generators",
            "committed_relations",
            "committed_scorers",
            "committed_tunings",
            "committed_verdicts",
            "rewards_since_start",
            "score_and_identity",
        ],
        "dpo": ["TuningRecipe", "best_of_n", "load_tuned", "ranked_pairs", "read_watched", "tune", "tune_each"],
        "guidance": ["face_guidance", "guided_sample", "identity_guidance"],
        "pairs": ["Pairs"],
        "scorer": ["FaceScore", "fit_face_score", "score", "train_scorer"],
        "trials": [
            "FACE_SCORE",
            "IN_FACE_SCORE",
            "MATCHED",
            "MIXED",
            "PAPER",
            "REAL",
            "SHARPNESS",
            "Watch",
            "all_ladders",
            "answer",
            "as_scorers",
            "baselines",
            "face_score",
            "guided_images",
            "held_out_pairs",
            "identity_observers",
            "material_of",
            "measured",
            "other_noise",
            "plan_of",
            "pretrained_scorers",
            "sampled",
            "sharpness_table",
            "shorter_training",
            "trained_scorers",
            "training_faces",
            "training_pairs",
            "training_parameters",
            "with_means",
        ],
        "tunings": ["CHOSEN"],
    },
)
