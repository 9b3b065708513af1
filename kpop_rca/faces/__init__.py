"""From images to labelled face crops: detection, what is wrong with an image, which are kept, the split, the crops.

`detection` (by `mtcnn`) finds faces, `flags` doubts them, with `view_consistency`, `neighbour_support` and
`label_issues`; `audit_tables` shows what was found; `splits` and `crops` make the data set. `labelling` is a page for
labels by hand.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "answers": ["about_audit", "about_split"],
        "audit_files": ["load_audit", "save_audit"],
        "audit_tables": [
            "contextual_artifacts",
            "detection_rate",
            "filed_twice",
            "flag_accuracy",
            "left_out",
            "most_doubtful",
            "photographs_of_each",
            "samples",
        ],
        "crops": [
            "class_names",
            "crop_areas",
            "crop_faces",
            "first_of_each",
            "load_bursts",
            "load_crops",
            "mean_faces",
            "save_crops",
            "save_summary",
        ],
        "detection": ["detect_faces"],
        "flag_scores": ["images_by_score", "operating_points", "precision_recall", "score_histogram"],
        "flags": ["flag_counts", "flag_images", "mismatch_trial", "rules_table", "trial_table"],
        "hand_labels": ["join_hand_labels"],
        "splits": [
            "SPLITS",
            "assign_splits",
            "check_classes",
            "exclusion_reasons",
            "exclusion_table",
            "make_index",
            "split_sizes",
        ],
    },
)
