"""Generators of normal features that copy a fraction of their images, and what the search for copies says of them."""

import numpy as np

from kpop_rca.image_metrics import memorisation

SIZES = [(119, 150), (850, 98), (850, 49)]  # training and held-out images of each class
CLASSES, LENGTH, GENERATED = 10, 64, 300  # generated images of each class


def features(n_train, n_held_out, *, copied, seed):
    """Generated, training and held-out features, and the labels of the latter two; classes differ in their mean."""
    draw = np.random.default_rng([n_train, n_held_out, seed])
    means = draw.normal(size=(CLASSES, 1, LENGTH))
    generated, train, held_out = (
        (means + draw.normal(size=(CLASSES, n, LENGTH))).astype(np.float32) for n in (GENERATED, n_train, n_held_out)
    )
    n_copies = round(copied * GENERATED)
    for of_class, originals in zip(generated, train, strict=True):
        of_class[:n_copies] = originals[draw.integers(n_train, size=n_copies)]
    labels = tuple(np.repeat(np.arange(CLASSES), n) for n in (n_train, n_held_out))
    return [part.reshape(-1, LENGTH) for part in (generated, train, held_out)], labels


def verdict(n_train, n_held_out, *, copied, seed):
    """Of a generator that copies that fraction of its images, and samples the others from the real distribution."""
    parts, labels = features(n_train, n_held_out, copied=copied, seed=seed)
    return memorisation.copying(
        *parts,
        labels=labels,
        features="normals",
        features_saw_training=False,
        generator=np.random.default_rng(seed),
    )
