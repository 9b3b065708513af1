"""ICC profiles of well-known colour spaces, made here anew."""

import struct
from collections.abc import Sequence

# XYZ of red, green and blue relative to D50, and the exponent of the curve, None for sRGB's.
D50 = (0.9642, 1.0, 0.82491)
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))
SPACES = {
    "Display P3": (((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)), None),
    "Adobe RGB": (((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)), 563 / 256),
    "ProPhoto": (((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00008, 0.8249)), 1.8),
}


def fixed(numbers: Sequence[float]) -> bytes:
    """Numbers as ICC writes them: 16 bits before the point, and 16 behind."""
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def matrix_profile(primaries: Sequence[Sequence[float]], gamma: float | None) -> bytes:
    """An ICC profile of three primaries and one curve (ICC.1:2022, sections 7 to 10)."""
    kind, curve = (3, [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045]) if gamma is None else (0, [gamma])
    tags = {b"wtpt": b"XYZ " + bytes(4) + fixed(D50)}
    for name, xyz in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags[name + b"XYZ"] = b"XYZ " + bytes(4) + fixed(xyz)
        tags[name + b"TRC"] = struct.pack(">4sIHH", b"para", 0, kind, 0) + fixed(curve)
    start, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(content))
        data += content
    head = struct.pack(">I4sI4s4s4s12x4s28x", start + len(data), b"", 0x04400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return head + fixed(D50) + bytes(48) + table + data
