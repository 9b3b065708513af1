"""A head in space: horizontal slices that turn with yaw and pitch, and where points of a face then lie in the image.

The unit is about half the height of a face. The origin lies between the eyes, x to the right of the image, y down,
z towards the viewer. A head is a stack of ellipses, one a height y: half-width, centre and half-depth along z.
"""

import numpy as np

from kpop_rca.avatars import canvas

# y, half-width, z of the centre, half-depth
SLICES = np.array(
    [
        (-1.16, 0.10, 0.00, 0.15),
        (-1.10, 0.33, 0.00, 0.42),
        (-0.98, 0.53, 0.00, 0.66),
        (-0.76, 0.70, 0.00, 0.84),
        (-0.46, 0.79, 0.00, 0.90),
        (-0.15, 0.815, 0.00, 0.90),
        (0.15, 0.80, 0.03, 0.87),
        (0.42, 0.735, 0.08, 0.80),
        (0.64, 0.63, 0.14, 0.72),
        (0.82, 0.485, 0.22, 0.61),
        (0.95, 0.325, 0.29, 0.50),
        (1.03, 0.17, 0.34, 0.42),
        (1.06, 0.06, 0.36, 0.38),
    ]
)
JAW_FROM = 0.3  # below this height the jaw's width applies, below twice as much the chin's length


class Head:
    """The shape of one identity's head in one pose.

    Args:
        face_width: factor of all half-widths.
        jaw: factor of the half-widths at the jaw.
        chin: factor of the lengths below the mouth.
        yaw: degrees, positive turns the face to the right of the image.
        pitch: degrees, positive looks down.
    """

    def __init__(self, *, face_width: float, jaw: float, chin: float, yaw: float, pitch: float) -> None:
        slices = SLICES.copy()
        below = np.clip((slices[:, 0] - JAW_FROM) / 0.4, 0, 1)
        slices[:, 1] *= face_width * (1 + (jaw - 1) * below)
        slices[:, 0] += (chin - 1) * np.clip(slices[:, 0] - 2 * JAW_FROM, 0, None) * 2
        self.slices = slices
        self._yaw, self._pitch = np.radians(yaw), np.radians(pitch)

    @property
    def turn(self) -> float:
        """Sine of the yaw: how far, in units, a point one unit in front of the axis moves to the right."""
        return float(np.sin(self._yaw))

    def _slice(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        heights = self.slices[:, 0]
        return tuple(np.interp(y, heights, self.slices[:, column]) for column in (1, 2, 3))

    def project(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Points in space to points of the image, (n, 2): turned by yaw, then by pitch, seen from far away."""
        x, y, z = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(y, dtype=float), z)
        depth = z * np.cos(self._yaw) - x * np.sin(self._yaw)
        across = x * np.cos(self._yaw) + z * np.sin(self._yaw)
        return np.stack([across, y * np.cos(self._pitch) + depth * np.sin(self._pitch)], axis=-1)

    def on_skull(self, azimuth: np.ndarray, y: np.ndarray, *, grow: float = 1.0) -> np.ndarray:
        """Points on the head, by the angle around it (degrees, 0 in front, positive to the right) and height."""
        half_width, centre, half_depth = self._slice(np.asarray(y, dtype=float))
        angle = np.radians(azimuth)
        x = grow * half_width * np.sin(angle)
        return self.project(x, y, centre + grow * half_depth * np.cos(angle))

    def on_face(self, x: np.ndarray, y: np.ndarray, *, lift: float = 0.0) -> np.ndarray:
        """Points on the front of the head, by their place in a frontal view; `lift` moves them forward."""
        half_width, centre, half_depth = self._slice(np.asarray(y, dtype=float))
        across = np.clip(np.asarray(x, dtype=float) / half_width, -0.98, 0.98)
        return self.project(x, y, centre + half_depth * np.sqrt(1 - across**2) + lift)

    def outline(self, *, grow: float = 1.0, lift: float = 1.0, down_to: float | None = None) -> np.ndarray:
        """The silhouette from the lower left over the top to the lower right.

        Args:
            grow: factor of the half-widths.
            lift: factor of the heights above the eyes.
            down_to: the height at which an open curve begins and ends; None for the whole, closed outline.

        Returns:
            (n, 2) smooth points, in the head's units.
        """
        heights = self.slices[:, 0]
        y = heights if down_to is None else np.append(heights[heights < down_to], down_to)
        half_width, centre, half_depth = self._slice(y)
        half = grow * np.hypot(half_width * np.cos(self._yaw), half_depth * np.sin(self._yaw))
        across = centre * np.sin(self._yaw)
        height = np.where(y < 0, y * lift, y) * np.cos(self._pitch) + centre * np.sin(self._pitch)
        left, right = np.stack([across - half, height], axis=1), np.stack([across + half, height], axis=1)
        return canvas.smooth(np.vstack([left[::-1], right]), closed=down_to is None)
