r"""Antenna patterns: the parametric element of TR 38.901, arrays of it, and measured cuts.

Angles: azimuth from the boresight, positive to either side alike; elevation positive upwards; tilts
positive downwards. All in degrees.

**Mechanical tilt** turns the antenna about the horizontal axis across its boresight, so directions
are turned into the antenna's frame first (clause 7.1.3, rotation by the downtilt alone):

.. math::

    x' = x \cos\beta - z \sin\beta, \quad y' = y, \quad z' = x \sin\beta + z \cos\beta.

To the side the beam stays at the horizon, behind it rises. **Electrical tilt** lowers the beam by
the same angle all round: the vertical pattern is shifted, or the array steered.

Parametric element (Table 7.3-1), with the angles of the antenna's frame:

.. math::

    A_V = -\min(12 (\theta/\theta_{3dB})^2, SLA_V), \quad
    A_H = -\min(12 (\varphi/\varphi_{3dB})^2, A_{max}), \quad
    A = -\min(-(A_V + A_H), A_{max}).

Array of M rows and N columns: the element plus the power of the steered array factor, which at
its peak is M N.

Left out: polarisation, mutual coupling, tapering, beams of several users, and near field.

References
----------
3GPP TR 38.901 V17, clauses 7.1.3 and 7.3. Gil et al., "A 3D interpolation method for base-station
antenna radiation patterns", IEEE Antennas and Propagation Magazine 43 (2001), for ``"weighted"``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.radio.arguments import above, finite, fit, one, real

__all__ = ["Antenna", "ArrayLayout", "Cuts", "Element"]

FloatArray = NDArray[np.float64]
COMBINATIONS = ("sum", "weighted")


class Element(NamedTuple):
    """Parametric pattern; the defaults are those of Table 7.3-1.

    Attributes
    ----------
    horizontal_width_deg, vertical_width_deg : float
        Half-power beam widths; 360 makes a pattern that is round in that plane to within 3 dB,
        infinity one that is round.
    front_back_db : float
        Largest attenuation at all (A_max).
    side_lobe_db : float
        Largest attenuation of the vertical pattern (SLA_V).
    """

    horizontal_width_deg: float = 65.0
    vertical_width_deg: float = 65.0
    front_back_db: float = 30.0
    side_lobe_db: float = 30.0


class Cuts(NamedTuple):
    """Measured attenuation in two planes, below the peak gain.

    Attributes
    ----------
    horizontal_deg, horizontal_db : (n,) array
        Azimuth 0 to 360 and attenuation, dB >= 0.
    vertical_deg, vertical_db : (m,) array
        Angle below the horizon, 0 to 360 through straight down (90) and behind (180).
    combine : str
        ``"sum"``: attenuation of both planes added. ``"weighted"``: the front and the back half of
        the vertical cut mixed by azimuth.
    """

    horizontal_deg: FloatArray
    horizontal_db: FloatArray
    vertical_deg: FloatArray
    vertical_db: FloatArray
    combine: str = "sum"


class ArrayLayout(NamedTuple):
    """Uniform array of elements.

    Attributes
    ----------
    n_row, n_col : int
    row_wavelengths, col_wavelengths : float
        Spacing of rows (vertical) and columns (horizontal).
    """

    n_row: int = 8
    n_col: int = 1
    row_wavelengths: float = 0.5
    col_wavelengths: float = 0.5


@dataclass(frozen=True)
class Antenna:
    """A pattern with its gain.

    Attributes
    ----------
    name : str
    element_gain_dbi : float
        Peak gain of the pattern; of an array, that of one element.
    pattern : Element or Cuts
    layout : ArrayLayout or None
        None for a single pattern.
    own_tilt_deg : float
        Electrical tilt that measured cuts hold already.
    notes : tuple of str
        What was assumed when a file was read.

    Examples
    --------
    >>> antenna = Antenna.parametric(gain_dbi=17.0, vertical_width_deg=7.0)
    >>> antenna.gain_dbi(0.0, -6.0, electrical_tilt_deg=6.0)
    17.0
    >>> round(antenna.gain_dbi(32.5, -6.0, electrical_tilt_deg=6.0), 6)
    14.0
    """

    name: str
    element_gain_dbi: float
    pattern: Element | Cuts
    layout: ArrayLayout | None = None
    own_tilt_deg: float = 0.0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        one("gain_dbi", self.element_gain_dbi)
        if isinstance(self.pattern, Element):
            for key, value in self.pattern._asdict().items():
                # without end is round
                if real(key, value).ndim or not value > 0.0:
                    raise ValueError(f"{key} must be > 0; got {value}")
        elif self.pattern.combine not in COMBINATIONS:
            raise ValueError(
                f"combine must be one of {', '.join(COMBINATIONS)}; got {self.pattern.combine!r}"
            )
        if self.layout is not None:
            for key, value in self.layout._asdict().items():
                above(key, one(key, value), 0.0)

    @classmethod
    def parametric(
        cls,
        *,
        gain_dbi: float = 8.0,
        horizontal_width_deg: float = 65.0,
        vertical_width_deg: float = 65.0,
        front_back_db: float = 30.0,
        side_lobe_db: float = 30.0,
        name: str = "3GPP TR 38.901",
    ) -> Antenna:
        """Return the pattern of Table 7.3-1, or one of its form with other widths."""
        element = Element(horizontal_width_deg, vertical_width_deg, front_back_db, side_lobe_db)
        return cls(name, gain_dbi, element)

    @classmethod
    def array(
        cls,
        n_row: int,
        n_col: int = 1,
        *,
        row_wavelengths: float = 0.5,
        col_wavelengths: float = 0.5,
        element_gain_dbi: float = 8.0,
        element: Element = Element(),  # noqa: B008  (immutable)
    ) -> Antenna:
        """Return an array of `n_row` by `n_col` elements, all fed with the same power."""
        layout = ArrayLayout(n_row, n_col, row_wavelengths, col_wavelengths)
        return cls(f"{n_row} x {n_col} of 3GPP TR 38.901", element_gain_dbi, element, layout)

    @classmethod
    def omni(cls, gain_dbi: float = 0.0) -> Antenna:
        """Return an antenna with the same gain in all directions."""
        flat = float("inf")
        return cls("omnidirectional", gain_dbi, Element(flat, flat, 30.0, 30.0))

    @property
    def peak_gain_dbi(self) -> float:
        """Largest gain, of an array that of the unsteered beam."""
        if self.layout is None:
            return self.element_gain_dbi
        return self.element_gain_dbi + 10.0 * math.log10(self.layout.n_row * self.layout.n_col)

    def combined(self, how: str) -> Antenna:
        """Return measured cuts with the other way to join their planes."""
        if not isinstance(self.pattern, Cuts):
            raise TypeError(f"combined() is for measured cuts; {self.name} is parametric")
        return replace(self, pattern=self.pattern._replace(combine=how))

    def gain_dbi(
        self,
        azimuth_deg: ArrayLike,
        elevation_deg: ArrayLike,
        *,
        mechanical_tilt_deg: ArrayLike = 0.0,
        electrical_tilt_deg: ArrayLike | None = None,
        scan_deg: ArrayLike = 0.0,
    ) -> Any:
        """Return the gain towards directions, dBi.

        Parameters
        ----------
        azimuth_deg : float or array
            From the boresight, any turn.
        elevation_deg : float or array
            Above the horizon, -90 to 90.
        mechanical_tilt_deg : float or array
            Downwards.
        electrical_tilt_deg : float or array, optional
            Downwards, in all: of measured cuts, what they hold already included. Where left out,
            that of the cuts, else 0.
        scan_deg : float or array
            Azimuth to which an array of several columns is steered.

        Returns
        -------
        float or array
        """
        own = self.own_tilt_deg
        tilt = finite(
            "electrical_tilt_deg", own if electrical_tilt_deg is None else electrical_tilt_deg
        )
        azimuth, elevation = turned(azimuth_deg, elevation_deg, mechanical_tilt_deg)
        if self.layout is None:
            if np.any(np.asarray(scan_deg) != 0.0):
                raise ValueError(
                    f"scan_deg must be 0 for an antenna without array; got {scan_deg!r}"
                )
            # the beam shifts as a whole, and falls no further than straight down
            lowered = elevation + (tilt - own)
            loss = self._attenuation_db(azimuth, lowered)
            gain = self.element_gain_dbi - loss
        else:
            factor = _array_factor_db(self.layout, azimuth, elevation, tilt, scan_deg)
            gain = self.element_gain_dbi - self._attenuation_db(azimuth, elevation) + factor
        return float(gain) if np.ndim(gain) == 0 else gain

    def _attenuation_db(self, azimuth: FloatArray, elevation: FloatArray) -> Any:
        """Return the attenuation below the peak in the antenna's frame, dB >= 0."""
        if isinstance(self.pattern, Element):
            e = self.pattern
            turn = np.abs((azimuth + 180.0) % 360.0 - 180.0)
            vertical = np.minimum(12.0 * (elevation / e.vertical_width_deg) ** 2, e.side_lobe_db)
            horizontal = np.minimum(12.0 * (turn / e.horizontal_width_deg) ** 2, e.front_back_db)
            return np.minimum(vertical + horizontal, e.front_back_db)
        c = self.pattern
        across = _on_circle(azimuth, c.horizontal_deg, c.horizontal_db)
        front = _on_circle(-elevation, c.vertical_deg, c.vertical_db)
        if c.combine == "sum":
            return across + front
        behind = _on_circle(180.0 + elevation, c.vertical_deg, c.vertical_db)
        share = np.abs((azimuth + 180.0) % 360.0 - 180.0) / 180.0
        ahead_db, back_db = _on_circle(
            np.array([0.0, 180.0]), c.horizontal_deg, c.horizontal_db
        ).tolist()
        return across + (1.0 - share) * (front - ahead_db) + share * (behind - back_db)

    def cosine_table(self, count: int = 1025) -> FloatArray:
        """Return the horizontal pattern as power over the cosine of the azimuth.

        Kernels look it up with the scalar product of two unit vectors, without an angle. Entry i
        stands for ``cos = -1 + 2 i / (count - 1)``; left and right are averaged in power.

        Parameters
        ----------
        count : int
            >= 2; the table is read by linear interpolation.

        Returns
        -------
        (count,) float64
            Power relative to the boresight of the untilted antenna.
        """
        if count < 2:
            raise ValueError(f"count must be >= 2; got {count}")
        azimuth = np.degrees(np.arccos(np.clip(np.linspace(-1.0, 1.0, count), -1.0, 1.0)))
        at = -self.own_tilt_deg
        both = [10.0 ** (self.gain_dbi(side * azimuth, at) / 10.0) for side in (1.0, -1.0)]
        return np.asarray((both[0] + both[1]) / 2.0 / 10.0 ** (self.gain_dbi(0.0, at) / 10.0))

    def distance_table(
        self,
        distance_2d_m: ArrayLike,
        base_height_m: float,
        terminal_height_m: float,
        *,
        mechanical_tilt_deg: float = 0.0,
        electrical_tilt_deg: float | None = None,
    ) -> FloatArray:
        """Return the gain ahead of the antenna as power (10 lg of it is dBi) at ground distances.

        Times the cosine table this is the parametric and the summed pattern wherever neither cap
        binds and the tilt is electrical; mechanical tilt is right ahead only.
        """
        d = above("distance_2d_m", distance_2d_m, 0.0, is_open=False)
        elevation = np.degrees(np.arctan2(terminal_height_m - base_height_m, d))
        told = self.gain_dbi(
            0.0,
            elevation,
            mechanical_tilt_deg=mechanical_tilt_deg,
            electrical_tilt_deg=electrical_tilt_deg,
        )
        return np.asarray(10.0 ** (np.asarray(told) / 10.0))


def turned(
    azimuth_deg: ArrayLike, elevation_deg: ArrayLike, mechanical_tilt_deg: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return azimuth and elevation in the frame of an antenna that leans forward, degrees.

    Examples
    --------
    >>> azimuth, elevation = turned(180.0, 0.0, 5.0)
    >>> round(float(elevation), 6)
    -5.0
    """
    azimuth = finite("azimuth_deg", azimuth_deg)
    elevation = finite("elevation_deg", elevation_deg)
    if (np.abs(elevation) > 90.0).any():
        worst = elevation[np.abs(elevation) > 90.0].ravel()[0]
        raise ValueError(f"elevation_deg must be -90 to 90; got {worst}")
    lean = np.radians(finite("mechanical_tilt_deg", mechanical_tilt_deg))
    fit(azimuth_deg=azimuth, elevation_deg=elevation, mechanical_tilt_deg=lean)
    if not lean.any():
        azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
        return azimuth, elevation
    a, e = np.radians(azimuth), np.radians(elevation)
    x, y, z = np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)
    ahead = x * np.cos(lean) - z * np.sin(lean)
    up = x * np.sin(lean) + z * np.cos(lean)
    # atan2 keeps its digits where asin loses them, straight up and down
    return np.degrees(np.arctan2(y, ahead)), np.degrees(np.arctan2(up, np.hypot(ahead, y)))


def _on_circle(angle_deg: FloatArray, at_deg: FloatArray, value: FloatArray) -> FloatArray:
    """Return `value` between the angles `at_deg`, linear, round the circle."""
    return np.asarray(np.interp(angle_deg, at_deg, value, period=360.0))


def _array_factor_db(
    layout: ArrayLayout,
    azimuth: FloatArray,
    elevation: FloatArray,
    tilt_deg: FloatArray,
    scan_deg: ArrayLike,
) -> Any:
    """Return the power of the steered array factor, dB; at its peak 10 lg(rows x columns)."""
    a, e = np.radians(azimuth), np.radians(elevation)
    down, side = np.radians(tilt_deg), np.radians(finite("scan_deg", scan_deg))
    rows = 2.0 * np.pi * layout.row_wavelengths * (np.sin(e) + np.sin(down))
    cols = (
        2.0 * np.pi * layout.col_wavelengths * (np.cos(e) * np.sin(a) - np.cos(down) * np.sin(side))
    )
    power = _grating(layout.n_row, rows) * _grating(layout.n_col, cols)
    # a null is a null of the ideal array only: no real one is deeper than this
    return 10.0 * np.log10(np.maximum(power, 1e-6))


def _grating(n: int, step: FloatArray) -> Any:
    """Return ``|sum of exp(j k step), k < n|^2 / n``."""
    half = step / 2.0
    below = np.sin(half)
    flat = np.abs(below) < 1e-9
    ratio = np.where(flat, float(n), np.sin(n * half) / np.where(flat, 1.0, below))
    return ratio**2 / n
