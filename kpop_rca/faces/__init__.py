"""From images to labelled face crops: detection, what is wrong with an image, which are kept, the split, the crops.

`detection` (by `mtcnn`) finds faces, `flags` doubts them, with `view_consistency`, `neighbour_support` and
`label_issues`; `audit_tables` shows what was found; `splits` and `crops` make the data set. `labelling` is a page for
labels by hand.
"""

from kpop_rca.faces.audit_files import load_audit, save_audit
from kpop_rca.faces.audit_tables import (
    contextual_artifacts,
    detection_rate,
    filed_twice,
    flag_accuracy,
    left_out,
    most_doubtful,
    photographs_of_each,
    samples,
)
from kpop_rca.faces.crops import class_names, crop_faces, first_of_each, save_summary
from kpop_rca.faces.crops import load as load_crops
from kpop_rca.faces.crops import save as save_crops
from kpop_rca.faces.detection import detect_faces
from kpop_rca.faces.flags import flag_counts, flag_images, mismatch_trial, rules_table, trial_table
from kpop_rca.faces.hand_labels import join_hand_labels
from kpop_rca.faces.splits import (
    assign_splits,
    check_classes,
    exclusion_reasons,
    exclusion_table,
    make_index,
    split_sizes,
)

__all__ = [
    "assign_splits", "check_classes", "class_names", "contextual_artifacts", "crop_faces", "detect_faces",
    "detection_rate", "exclusion_reasons", "exclusion_table", "filed_twice", "first_of_each", "flag_accuracy",
    "flag_counts", "flag_images", "join_hand_labels", "left_out", "load_audit", "load_crops", "make_index",
    "mismatch_trial", "most_doubtful", "photographs_of_each", "rules_table", "samples", "save_audit", "save_crops",
    "save_summary", "split_sizes", "trial_table",
]  # fmt: skip
