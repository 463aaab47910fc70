r"""Antenna patterns as the coverage engine takes them: one horizontal and one vertical cut.

The attenuation in any direction is that of TR 38.901, Table 7.3-1,

.. math:: A = \min(A_H(\phi) + A_V(\theta), A_{max})

A pattern is any object with `horizontal_db`, `vertical_db` and `max_attenuation_db`. Two are here:
`Panel`, the parabolas of TR 38.901, and `Cuts`, measured cuts. An `Antenna`, as `read_msi` gives
it, is taken by its two cuts through the main beam (`AntennaCuts`); tilt then moves the beam as a
whole, also that of an array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.errors import Findings

__all__ = ["AntennaCuts", "Cuts", "Panel", "Pattern", "as_pattern"]

FloatArray = NDArray[np.float64]


class Pattern(Protocol):
    """What the coverage engine asks of an antenna."""

    @property
    def max_attenuation_db(self) -> float:
        """Largest attenuation in any direction, dB."""

    def horizontal_db(self, angle_deg: FloatArray) -> FloatArray:
        """Return the attenuation at angles clockwise from the main beam, -180..180, dB >= 0."""

    def vertical_db(self, angle_deg: FloatArray) -> FloatArray:
        """Return the attenuation at angles below the main beam, -90..90, dB >= 0."""


@dataclass(frozen=True)
class Panel:
    """The parabolic pattern of TR 38.901, Table 7.3-1.

    Attributes
    ----------
    horizontal_beamwidth_deg, vertical_beamwidth_deg : float
        Between the points 3 dB down; 65 for the element of the table. A horizontal width of 360 is
        an antenna without direction.
    max_attenuation_db, side_lobe_db : float
        A_max and SLA_V, 30 in the table.

    Examples
    --------
    >>> Panel().horizontal_db([0.0, 32.5, 180.0]).round(2).tolist()
    [0.0, 3.0, 30.0]
    """

    horizontal_beamwidth_deg: float = 65.0
    vertical_beamwidth_deg: float = 65.0
    max_attenuation_db: float = 30.0
    side_lobe_db: float = 30.0

    def __post_init__(self) -> None:
        found = Findings("panel")
        for name, high in (
            ("horizontal_beamwidth_deg", 360.0),
            ("vertical_beamwidth_deg", 180.0),
            ("max_attenuation_db", 80.0),
            ("side_lobe_db", 80.0),
        ):
            value = getattr(self, name)
            if not 0.0 < value <= high:
                found.add(0, name, value, f"> 0 and <= {high:g}")
        found.raise_if_any()

    def horizontal_db(self, angle_deg: ArrayLike) -> FloatArray:
        """Return ``min(12 (phi / width)^2, A_max)``."""
        angle = np.asarray(angle_deg, np.float64)
        if self.horizontal_beamwidth_deg == 360.0:
            return np.zeros(angle.shape)
        return np.minimum(
            12.0 * (angle / self.horizontal_beamwidth_deg) ** 2, self.max_attenuation_db
        )

    def vertical_db(self, angle_deg: ArrayLike) -> FloatArray:
        """Return ``min(12 (theta / width)^2, SLA_V)``."""
        angle = np.asarray(angle_deg, np.float64)
        return np.minimum(12.0 * (angle / self.vertical_beamwidth_deg) ** 2, self.side_lobe_db)


class Cuts:
    """Measured cuts, one value a degree, straight lines between.

    Parameters
    ----------
    horizontal_db : (360,) array
        Attenuation at 0, 1, ... 359 degrees clockwise from the main beam, dB, >= 0.
    vertical_db : (360,) array
        At 0, 1, ... 359 degrees downwards from the horizon of the antenna, dB, >= 0.
    """

    def __init__(self, horizontal_db: ArrayLike, vertical_db: ArrayLike) -> None:
        found = Findings("pattern")
        cuts = {}
        for name, given in (("horizontal_db", horizontal_db), ("vertical_db", vertical_db)):
            cut = np.asarray(given, np.float64)
            if cut.shape != (360,):
                found.add(0, name, f"shape {cut.shape}", "360 values, one a degree")
                continue
            for k in np.flatnonzero(~((cut >= 0.0) & (cut <= 200.0))):
                found.add(int(k) + 2, name, cut[k], "in 0..200 dB of attenuation")
            cuts[name] = np.append(cut, cut[0])
        found.raise_if_any()
        self.cuts = cuts
        self.max_attenuation_db = float(max(c.max() for c in cuts.values()))

    def _read(self, name: str, angle_deg: ArrayLike) -> FloatArray:
        angle = np.mod(np.asarray(angle_deg, np.float64), 360.0)
        return np.asarray(np.interp(angle, np.arange(361.0), self.cuts[name]))

    def horizontal_db(self, angle_deg: ArrayLike) -> FloatArray:
        """Return the horizontal cut."""
        return self._read("horizontal_db", angle_deg)

    def vertical_db(self, angle_deg: ArrayLike) -> FloatArray:
        """Return the vertical cut."""
        return self._read("vertical_db", angle_deg)


class AntennaCuts:
    """An antenna by its cuts through the main beam.

    Parameters
    ----------
    antenna : Antenna
        Anything with ``gain_dbi(azimuth_deg, elevation_deg, electrical_tilt_deg=)`` and
        ``own_tilt_deg``, the tilt that its cuts hold already.
    """

    def __init__(self, antenna: Any) -> None:
        self.antenna = antenna
        self.own_deg = float(antenna.own_tilt_deg)
        self.peak_dbi = float(self._gain(0.0, 0.0))
        element = getattr(antenna, "pattern", None)
        angle = np.linspace(-180.0, 180.0, 721)
        whole = self.horizontal_db(angle).max() + self.vertical_db(angle / 2.0).max()
        self.max_attenuation_db = float(getattr(element, "front_back_db", whole))

    def _gain(self, azimuth_deg: ArrayLike, below_deg: ArrayLike) -> FloatArray:
        elevation = np.clip(-np.asarray(below_deg, np.float64) - self.own_deg, -90.0, 90.0)
        return np.asarray(
            self.antenna.gain_dbi(azimuth_deg, elevation, electrical_tilt_deg=self.own_deg),
            np.float64,
        )

    def horizontal_db(self, angle_deg: ArrayLike) -> FloatArray:
        """Return the attenuation around the main beam."""
        angle = np.asarray(angle_deg, np.float64)
        return np.maximum(self.peak_dbi - self._gain(angle, np.zeros(angle.shape)), 0.0)

    def vertical_db(self, angle_deg: ArrayLike) -> FloatArray:
        """Return the attenuation above and below the main beam."""
        angle = np.asarray(angle_deg, np.float64)
        return np.maximum(self.peak_dbi - self._gain(np.zeros(angle.shape), angle), 0.0)


def as_pattern(given: Any) -> Pattern:
    """Return a pattern as it is, an antenna by its cuts."""
    if hasattr(given, "horizontal_db"):
        pattern: Pattern = given
        return pattern
    return AntennaCuts(given)
