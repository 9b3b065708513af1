"""Datasets of avatars that are rendered in a second."""

SMALL = {
    "seed": 1,
    "n_identities": 3,
    "train_per_identity": 8,
    "test_per_identity": 3,
    "hard_per_identity": 2,
    "group_per_identity": 2,
    "size": 64,
    "alikeness": 0.5,
    "artifact_rate": 0.2,
    "hard_rate": 0.2,
    "group_rate": 0.1,
    "nonface_rate": 0.1,
    "burst_rate": 0.3,
    "first_times": 1,
    "first_stands_out": 0.0,
}
MANY = SMALL | {"train_per_identity": 60}  # long enough to be killed while it is drawn
N_MANY = 3 * (60 + 3 + 2 + 2)
