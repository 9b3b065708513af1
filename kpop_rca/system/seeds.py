"""Every random stream of a study: from its seed, by what the stream is for.

A list of numbers is no safe key of a stream: `SeedSequence` pads it with zeros, so that [s, c, 0] is [s, c], and two
places that count something from the same seed share their numbers. Here each purpose has a spawn key of its own.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for; a number, once given, stays, since the stream follows from it."""

    PEOPLE = 1
    PICTURE = 2  # part and split, identity, index
    NETWORK = 3
    TRAINING_ORDER = 4  # epoch
    TRAINING_STEP = 5  # step
    IMAGE = 6  # label, index
    ORACLE = 7  # number of the oracle
    ORACLE_FACES = 8
    ORACLE_NETWORK = 9
    ORACLE_TRAINING = 10
    CAS_FACES = 11
    SHOWN_NOISE = 12
    COMPARED_FACES = 13
    COMPARED_NOISE = 14
    TEST_SPLIT = 15
    VALIDATION_SPLIT = 16
    ORACLE_SPLIT = 17
    MISMATCH_FOLDS = 18
    EXCHANGED_LABELS = 19
    BOOTSTRAP = 20
    GROUP_EXCESS = 21
    OVER_ORACLES = 22
    FEATURE_MEASURES = 23
    DIVERSITY = 24
    COPYING = 25
    MIXTURES = 26
    HALVES = 27
    CONTROLS = 28
    COPIERS = 29
    DISGUISES = 30
    DISGUISE_NOISE = 31
    SHOWN_DEGRADED = 32
    DEGRADED = 33
    INTERVAL_WIDTHS = 34
    DEMONSTRATION = 35
    SCORED_PHOTOGRAPHS = 36
    SCORED_IMAGES = 37  # CRC-32 of the generator's name
    CALIBRATION = 38
    SIMILARITY = 39
    SCORING_CONTROLS = 40
    FAIRNESS = 41
    SUPER_RESOLUTION = 42  # its training
    SUPER_RESOLVED = 43  # index
    ENLARGED_FACES = 44
    ENLARGED_INTERVALS = 45
    TRAINING = 46  # number of the training, 1 and above
    LADDERS = 47
    LADDER_HALVES = 48
    SUBNETWORKS = 49
    RECIPE = 50
    RATED_IMAGES = 71  # which images are rated
    RATING_IDS = 72
    RATING_ORDER = 73  # number of the rater
    DEGRADATION_PIPELINE = 74  # index
    RESTORED = 75  # index
    IQA_SPLITS = 76  # number of the split
    IQA_NETWORK = 77  # number of the split
    SIMULATED_RATERS = 78  # spammers, first simulation
    SIMULATED_QUALITY = 79
    RATING_INTERVALS = 80
    INPAINTED = 81  # index
    PAIRS = 82
    SCORER = 83  # its training
    PREFERENCE_PAIRS = 84
    TUNING_STEP = 85  # step
    ADAPTERS = 86
    BENCHMARK_IMAGES = 87
    TUNING_ROUND = 88  # from 1
    SIMULATED_COMPARISONS = 90
    PHOTOGRAPHS_RESTORED = 91
    COMPARISON_INTERVALS = 92
    VERDICT_TRIALS = 100  # setting, draw
    VERDICT_RERUNS = 101  # draw
    ASSUMPTION = 105  # mixtures on which its tests are calibrated
    SWAPPED_PAIRS = 106
    MORPHS = 107  # identity, index
    DIFFUSED = 108
    ALTERED = 109
    MASKED = 110  # halves, and oracles that see a part
    SHARED_NOISE = 113  # number of the noise
    RANDOM_SHEET = 114
    PROJECTION = 115
    FEWER_FACES = 116
    KNOWN_FACES = 117
    LEVEL_FACES = 118  # number of the person
    TUNED_COPIES = 95
    PHOTOGRAPHS = 96  # of people, on which the face score is tried


def sequence(purpose: Purpose, seed: int, *indices: int) -> np.random.SeedSequence:
    """The stream of one purpose, and of one thing among those that it counts.

    Args:
        purpose: what it is for.
        seed: of the study, or of an oracle; >= 0.
        indices: which of the things of that purpose, each in [0, 2^32).

    >>> from numpy.random import SeedSequence
    >>> (SeedSequence([7, 3, 0]).generate_state(2) == SeedSequence([7, 3]).generate_state(2)).all().item()
    True
    >>> one, other = sequence(Purpose.IMAGE, 7, 3, 0), sequence(Purpose.IMAGE, 7, 3)
    >>> (one.generate_state(2) == other.generate_state(2)).any().item()
    False
    """
    return np.random.SeedSequence(seed, spawn_key=(purpose, *indices))


def generator(purpose: Purpose, seed: int, *indices: int) -> np.random.Generator:
    """numpy's generator of a stream; see `sequence`."""
    return np.random.default_rng(sequence(purpose, seed, *indices))


def number(purpose: Purpose, seed: int, *indices: int) -> int:
    """A number in [0, 2^64) from a stream, for PyTorch's `manual_seed`; see `sequence`."""
    return int(sequence(purpose, seed, *indices).generate_state(1, np.uint64)[0])
