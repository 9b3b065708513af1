"""Images made by arithmetic, the same on every machine, and rendered avatars at a size to choose."""

import numpy as np

from kpop_rca.avatars import dataset, photograph


def pattern(height, width, *, phase=0.0, noise=0.0):
    """Waves in three colours, uint8 (H, W, 3), with noise of so many grey levels."""
    y, x = np.mgrid[:height, :width].astype(float)
    rough = ((x * 7919 + y * 104729 + x * y * 31) % 101) / 50 - 1
    channels = [
        128
        + 50 * np.sin(x / (5 + shift) + phase) * np.cos(y / 9)
        + 45 * np.sin((x + 2 * y) / 23 + shift)
        + noise * rough
        for shift in range(3)
    ]
    return np.rint(np.stack(channels, axis=-1)).clip(0, 255).astype(np.uint8)


def avatars(n, *, size, first=0):
    """uint8 (n, size, size, 3): avatars of three identities in turn."""
    identities = dataset.people(seed=1, n_identities=3, alikeness=0.5)
    shots = [
        photograph.solo(identities[number % 3], artifact="", hard="", generator=np.random.default_rng(number))
        for number in range(first, first + n)
    ]
    return np.stack([np.asarray(photograph.take(shot, size=size)) for shot in shots])
