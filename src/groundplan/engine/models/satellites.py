r"""Navigation satellites: nominal constellations, where they stand, dilution of precision.

Orbits are circles without perturbation: with node longitude :math:`\Omega_0` (Earth-fixed, at
t = 0), inclination i and argument of latitude u0,

.. math::

    u = u_0 + n t,\quad \Omega = \Omega_0 - \omega_e t,\quad
    r = R_z(\Omega)\,R_x(i)\,(a\cos u,\ a\sin u,\ 0)^T

with :math:`n = \sqrt{\mu/a^3}`, or :math:`n = \omega_e` for synchronous satellites.

Dilution: rows ``[cos e sin a, cos e cos a, sin e, 1]`` of all satellites in view make G, and
:math:`Q = (G^T G)^{-1}`; GDOP, PDOP, HDOP and VDOP are roots of sums of its diagonal.

Left out: real orbits (the oblateness of the Earth moves elevations by 0.14 degrees in a day),
outages, ranging errors.

References
----------
BeiDou Navigation Satellite System, open service documents of CSNO (nominal constellation: 24 MEO at
21,528 km, 3 IGSO and 3 GEO at 35,786 km). The plane epoch is free in the nominal description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.models.queue import _number

__all__ = ["Constellation", "Dop", "dop", "ecef_km", "local_frame", "walker_constellation"]

FloatArray = NDArray[np.float64]
#: Gravitational constant of the Earth, km3/s2, and its rotation, rad/s (CGCS2000).
MU_KM3_PER_S2 = 398600.4418
EARTH_RATE_RAD_PER_S = 7.292115e-5
#: Ellipsoid of CGCS2000.
AXIS_KM = 6378.137
FLATTENING = 1.0 / 298.257222101
#: Seven sidereal days, after which the Earth-fixed tracks of BDS-3 repeat, s.
REPEAT_S = 7 * 86164.0905
#: Fewest satellites that give a position.
SATELLITES_MIN = 4


class Dop(NamedTuple):
    """Dilution of precision; NaN where fewer than four satellites are seen or they lie in a cone.

    Attributes
    ----------
    gdop, pdop, hdop, vdop : float or array
    """

    gdop: Any
    pdop: Any
    hdop: Any
    vdop: Any


@dataclass(frozen=True)
class Constellation:
    """Satellites on circular orbits.

    Attributes
    ----------
    axis_km, inclination_rad, node_rad, latitude_rad, rate_rad_per_s : (n_sat,) float64
        Radius, inclination, Earth-fixed node longitude and argument of latitude at t = 0, motion.
    name : tuple of str
    """

    axis_km: FloatArray
    inclination_rad: FloatArray
    node_rad: FloatArray
    latitude_rad: FloatArray
    rate_rad_per_s: FloatArray
    name: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.name)

    def __add__(self, other: Constellation) -> Constellation:
        return Constellation(
            np.concatenate([self.axis_km, other.axis_km]),
            np.concatenate([self.inclination_rad, other.inclination_rad]),
            np.concatenate([self.node_rad, other.node_rad]),
            np.concatenate([self.latitude_rad, other.latitude_rad]),
            np.concatenate([self.rate_rad_per_s, other.rate_rad_per_s]),
            self.name + other.name,
        )

    @classmethod
    def synchronous(
        cls,
        node_deg: ArrayLike,
        latitude_deg: ArrayLike,
        inclination_deg: float,
        *,
        axis_km: float = 42164.2,
        prefix: str = "GEO",
    ) -> Constellation:
        """Return satellites that go round with the Earth.

        Parameters
        ----------
        node_deg, latitude_deg : (n,) array
            Node longitude and argument of latitude at t = 0.
        inclination_deg : float
        axis_km : float
        prefix : str
            Of the names.
        """
        node, late = np.broadcast_arrays(
            np.atleast_1d(_number("node_deg", node_deg)),
            np.atleast_1d(_number("latitude_deg", latitude_deg)),
        )
        full = np.ones(node.size)
        return cls(
            axis_km * full,
            np.radians(inclination_deg) * full,
            np.radians(node),
            np.radians(late),
            EARTH_RATE_RAD_PER_S * full,
            tuple(f"{prefix}{k + 1}" for k in range(node.size)),
        )

    @classmethod
    def bds3(cls) -> Constellation:
        """Return the nominal BDS-3: 24 MEO, 3 IGSO crossing the equator at 118 E, 3 GEO."""
        k = np.arange(3.0)
        return (
            walker_constellation(24, 3, 1, 27906.1, 55.0, prefix="MEO")
            + cls.synchronous(118.0 + 120.0 * k, -120.0 * k, 55.0, prefix="IGSO")
            + cls.synchronous([80.0, 110.5, 140.0], 0.0, 0.0, prefix="GEO")
        )

    def positions_km(self, t_s: ArrayLike) -> FloatArray:
        """Return Earth-fixed positions.

        Parameters
        ----------
        t_s : (n_t,) array
            Seconds since the epoch.

        Returns
        -------
        (n_t, n_sat, 3) float64
        """
        t = np.atleast_1d(_number("t_s", t_s))[:, None]
        u = self.latitude_rad + self.rate_rad_per_s * t
        node = self.node_rad - EARTH_RATE_RAD_PER_S * t
        x, y = self.axis_km * np.cos(u), self.axis_km * np.sin(u)
        flat = y * np.cos(self.inclination_rad)
        return np.stack(
            [
                x * np.cos(node) - flat * np.sin(node),
                x * np.sin(node) + flat * np.cos(node),
                y * np.sin(self.inclination_rad),
            ],
            axis=-1,
        )

    def look_angles(
        self, lat_deg: ArrayLike, lon_deg: ArrayLike, height_m: ArrayLike, t_s: ArrayLike
    ) -> tuple[FloatArray, FloatArray]:
        """Return azimuth from north and elevation, degrees, of each satellite.

        Parameters
        ----------
        lat_deg, lon_deg, height_m : float or (n_place,) array
        t_s : (n_t,) array

        Returns
        -------
        azimuth_deg, elevation_deg : (n_place, n_t, n_sat) float64
            Without the first dimension for a single place; elevation below 0 under the horizon.
        """
        place = np.broadcast_arrays(
            *(_number(n, v) for n, v in (("lat_deg", lat_deg), ("lon_deg", lon_deg),
                                         ("height_m", height_m)))
        )  # fmt: skip
        lat, lon, high = (np.atleast_1d(p) for p in place)
        frame = local_frame(lat, lon)
        away = self.positions_km(t_s)[None] - ecef_km(lat, lon, high)[:, None, None, :]
        local = np.einsum("pij,ptsj->ptsi", frame, away)
        azimuth = np.degrees(np.arctan2(local[..., 0], local[..., 1])) % 360.0
        elevation = np.degrees(np.arctan2(local[..., 2], np.hypot(local[..., 0], local[..., 1])))
        if place[0].ndim == 0:
            return azimuth[0], elevation[0]
        return azimuth, elevation


def walker_constellation(
    total: int,
    planes: int,
    phasing: int,
    semi_major_axis_km: float,
    inclination_deg: float,
    *,
    raan0_deg: float = 0.0,
    u0_deg: float = 0.0,
    prefix: str = "SAT",
) -> Constellation:
    """Return a Walker delta constellation ``total/planes/phasing``, plane by plane.

    Parameters
    ----------
    total, planes, phasing : int
        Satellites in all, in `planes` equal planes; the next plane is ahead by
        ``360 phasing / total`` degrees.
    semi_major_axis_km, inclination_deg : float
    raan0_deg, u0_deg : float
        Node longitude of the first plane and argument of latitude of its first satellite.
    prefix : str
        Names are prefix, plane and place in it, from 1.

    Returns
    -------
    Constellation
    """
    if planes < 1 or total < planes or total % planes:
        raise ValueError(f"total must be a multiple of planes = {planes}; got {total}")
    if not semi_major_axis_km > AXIS_KM:
        raise ValueError(f"semi_major_axis_km must be > {AXIS_KM}; got {semi_major_axis_km}")
    each = total // planes
    plane, place = np.divmod(np.arange(total), each)
    full = np.ones(total)
    return Constellation(
        semi_major_axis_km * full,
        np.radians(inclination_deg) * full,
        np.radians(raan0_deg + 360.0 / planes * plane),
        np.radians(u0_deg + 360.0 * planes / total * place + 360.0 * phasing / total * plane),
        np.sqrt(MU_KM3_PER_S2 / semi_major_axis_km**3) * full,
        tuple(f"{prefix}{a + 1}{b + 1}" for a, b in zip(plane, place, strict=True)),
    )


def ecef_km(lat_deg: FloatArray, lon_deg: FloatArray, height_m: FloatArray) -> FloatArray:
    """Return Earth-fixed positions (n, 3) of places on the ellipsoid, km."""
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    flat = FLATTENING * (2.0 - FLATTENING)
    normal = AXIS_KM / np.sqrt(1.0 - flat * np.sin(lat) ** 2)
    high = np.asarray(height_m) / 1e3
    return np.stack(
        [
            (normal + high) * np.cos(lat) * np.cos(lon),
            (normal + high) * np.cos(lat) * np.sin(lon),
            (normal * (1.0 - flat) + high) * np.sin(lat),
        ],
        axis=-1,
    )


def local_frame(lat_deg: FloatArray, lon_deg: FloatArray) -> FloatArray:
    """Return the axes east, north and up of places, (n, 3, 3), one axis in each row."""
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    zero = np.zeros_like(lat)
    east = np.stack([-np.sin(lon), np.cos(lon), zero], axis=-1)
    north = np.stack([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)], axis=-1)
    up = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
    return np.stack([east, north, up], axis=-2)


def dop(azimuth_deg: ArrayLike, elevation_deg: ArrayLike, visible: ArrayLike | None = None) -> Dop:
    """Return dilution of precision of satellites in view.

    Parameters
    ----------
    azimuth_deg, elevation_deg : (..., n_sat) array
        From north and from the horizon.
    visible : (..., n_sat) bool array, optional
        Which of them count; default all. A mask of elevation or terrain is the caller's.

    Returns
    -------
    Dop
        Arrays of the leading shape; NaN with fewer than four satellites or where they lie so that
        no position follows.

    Examples
    --------
    >>> round(dop([0, 120, 240, 0], [0, 0, 0, 90]).pdop, 6)
    1.632993
    """
    azimuth, elevation = np.broadcast_arrays(
        np.radians(_number("azimuth_deg", azimuth_deg)),
        np.radians(_number("elevation_deg", elevation_deg)),
    )
    counts = (
        np.ones(azimuth.shape, bool)
        if visible is None
        else np.broadcast_to(np.asarray(visible, bool), azimuth.shape)
    )
    flat = np.cos(elevation)
    rows = np.stack(
        [flat * np.sin(azimuth), flat * np.cos(azimuth), np.sin(elevation), np.ones(flat.shape)],
        axis=-1,
    )
    rows = rows * counts[..., None]
    normal = np.einsum("...si,...sj->...ij", rows, rows)
    enough = counts.sum(-1) >= SATELLITES_MIN
    # a determinant of rounding error means satellites on one cone
    enough &= np.linalg.det(normal) > 1e-10
    safe = np.where(enough[..., None, None], normal, np.eye(4))
    q = np.diagonal(np.linalg.inv(safe), axis1=-2, axis2=-1)
    sums = (q.sum(-1), q[..., :3].sum(-1), q[..., :2].sum(-1), q[..., 2])
    told = [np.where(enough, np.sqrt(np.maximum(s, 0.0)), np.nan) for s in sums]
    return Dop(*(float(v) if v.ndim == 0 else v for v in told))
