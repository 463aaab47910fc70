r"""Tables of the coverage engine: what a class of sectors is worth over ground distance.

A class is (path loss model, frequency, antenna height, tilt, vertical pattern). Its table holds

.. math:: G(d) = 10^{-(L(d) + A_V(\theta(d))) / 10}, \qquad \theta = \arctan((h_b - h_u)/d) - tilt

with L the mean of TR 38.901 over the probability of sight, in dB, taken at the model's least
distance where d is less, while the angle is that of the true offset down to `LEAST_M`. Over terrain
the table holds the vertical pattern alone. Beside it stands the floor
:math:`10^{-A_{max}/10} / V(d)` under the horizontal pattern, which keeps the sum of both
attenuations at A_max. Heights and tilts are rounded to `HEIGHT_STEP_M` and `TILT_STEP_DEG` so that
classes stay few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.radio.grid import Grid
from groundplan.engine.radio.network import Carrier, SectorTable, SiteTable
from groundplan.engine.radio.pathloss import MODELS, path_loss
from groundplan.engine.radio.pattern import Pattern
from groundplan.engine.radio.table_kernel import DIRECTIONS, OCTAVE_BITS, SPAN, TILE

__all__ = ["DROP_DB", "NOISE_DBM_PER_HZ", "Network", "bucket", "prepare", "tile_count"]

FloatArray = NDArray[np.float64]
#: Thermal noise at 290 K, dBm/Hz.
NOISE_DBM_PER_HZ = -174.0
#: A sector is looked at until its main beam lies this far below the noise, dB (a choice: a
#: signal 10 dB below the noise raises the noise by 0.4 dB).
DROP_DB = 10.0
HEIGHT_STEP_M = 0.5
TILT_STEP_DEG = 0.25
#: Classes are numbered with digits below this; tilts are counted from -60 degrees on.
CODE_BASE = 4096
TILT_STEPS = 240
#: A pattern that a polynomial meets within this is computed, others are read from a table, dB.
FIT_DB = 0.02
#: Where tables begin, m; the direction from a mast does not change much below.
LEAST_M = 1.0
SHIFT = 23 - OCTAVE_BITS
#: Numbers of sectors travel as float32, exact up to here.
SECTORS_MAX = 2**24


@dataclass(frozen=True)
class Network:
    """Sites, sectors and carriers as the kernels take them; sectors in the order of their groups.

    Attributes
    ----------
    place, reach, entry, channel, first : arrays of the groups
        See `rank_tiles`.
    direction, power, kind, name : arrays of the sectors
        See `rank_tiles`; `name` is the row of the sector table.
    factor, undo : (n_sector,) float32
        Factor of the rank, in the order of the groups; one over it by row of the sector table.
    table, shapes, directions : arrays
        Gains over distance, patterns as polynomials and over directions.
    least2 : float
        Squared distance at which the tables begin, m^2.
    n_channel : int
    channel_of, noise_mw, carrier_of : arrays by row of the sector table
        Channel, noise of one resource element, carrier.
    group_site : (n_group,) int32
    fit_db : float
        Largest deviation of a polynomial pattern, dB.
    """

    place: FloatArray
    reach: NDArray[np.float32]
    entry: NDArray[np.int64]
    channel: NDArray[np.int32]
    first: NDArray[np.int64]
    direction: NDArray[np.float32]
    power: NDArray[np.float32]
    kind: NDArray[np.int32]
    name: NDArray[np.float32]
    factor: NDArray[np.float32]
    undo: NDArray[np.float32]
    table: NDArray[np.uint64]
    shapes: NDArray[np.float32]
    directions: NDArray[np.float32]
    least2: float
    n_channel: int
    channel_of: NDArray[np.int32]
    noise_mw: NDArray[np.float32]
    carrier_of: NDArray[np.int32]
    group_site: NDArray[np.int32]
    fit_db: float

    @property
    def reach_m(self) -> FloatArray:
        """Ground distance to which each group is looked at, m."""
        return np.sqrt(self.reach.astype(np.float64))

    def weights(self, load: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return loads by row of the sector table as the kernels take them."""
        return load[self.name.astype(np.int64)] / self.factor


def top_half(value: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return float32 rounded to their upper 16 bits, as bits."""
    bits = np.ascontiguousarray(value, np.float32).view(np.uint32).astype(np.uint64)
    return (bits + np.uint64(0x7FFF) + ((bits >> np.uint64(16)) & np.uint64(1))) >> np.uint64(16)


def distance_entry(least2: float) -> int:
    """Return the number of the table entry in which a squared distance lies."""
    return int(np.float32(least2).view(np.uint32) >> np.uint32(SHIFT))


def gain_table(
    model: str, frequency_ghz: float, height_m: float, tilt_deg: float, pattern: Pattern,
    terminal_height_m: float, reach_m: float, *, is_terrain: bool,
) -> NDArray[np.uint64]:  # fmt: skip
    """Return the packed table of a class, from `LEAST_M` to `reach_m`."""
    start = distance_entry(LEAST_M**2)
    stop = distance_entry(reach_m**2) + 2
    edge2 = (np.arange(start, stop + 1, dtype=np.uint32) << np.uint32(SHIFT)).view(np.float32)
    d = np.sqrt(edge2.astype(np.float64))
    far = np.maximum(d, MODELS[model].distance_m[0])
    loss = path_loss(model, far, frequency_ghz, height_m, terminal_height_m).loss_db
    if is_terrain:
        loss = np.zeros(d.size)
    below_deg = np.degrees(np.arctan2(height_m - terminal_height_m, d)) - tilt_deg
    side_db = np.minimum(pattern.vertical_db(below_deg), pattern.max_attenuation_db)
    gain = (10.0 ** (-(loss + side_db) / 10.0)).astype(np.float32)
    floor = (10.0 ** (-(pattern.max_attenuation_db - side_db) / 10.0)).astype(np.float32)
    slope = (np.diff(gain.astype(np.float64)) / 2.0**SHIFT).astype(np.float32)
    low = gain[:-1].view(np.uint32).astype(np.uint64)
    high = (top_half(slope) << np.uint64(16)) | top_half(np.sqrt(floor[:-1] * floor[1:]))
    packed: NDArray[np.uint64] = low | (high << np.uint64(32))
    return packed


def fit_shape(pattern: Pattern) -> tuple[NDArray[np.float32], float]:
    """Return a polynomial in ``1 - cos`` whose eighth power is the pattern, and its deviation, dB.

    The polynomial stands for the main beam down to the pattern's floor, which the kernel applies.
    Where it does not meet the pattern the last coefficient is 1 and the table must be read.
    """
    angle = np.linspace(0.0, 180.0, 3601)
    right, left = pattern.horizontal_db(angle), pattern.horizontal_db(-angle)
    shape = np.zeros(8, np.float32)
    shape[7] = 1.0
    if np.abs(right - left).max() > FIT_DB:
        return shape, 0.0
    t = 1.0 - np.cos(np.radians(angle))
    is_beam = right < pattern.max_attenuation_db - 1e-9
    last = int(np.flatnonzero(is_beam)[-1]) if is_beam.any() else 0
    last = min(last + 1, angle.size - 1)
    root = 10.0 ** (-right[: last + 1] / 80.0)
    use = np.linspace(0.0, t[last], 400)
    want = np.interp(use, t[: last + 1], root)
    # weighted so that the deviation is even in dB
    factor = np.linalg.lstsq(np.vander(use, 6, increasing=True) / want[:, None],
                             np.ones(use.size), rcond=None)[0]  # fmt: skip
    shape[:6], shape[6], shape[7] = factor, t[last], 0.0
    value = np.polynomial.polynomial.polyval(np.minimum(t, t[last]), factor)
    least = 10.0 ** (-pattern.max_attenuation_db / 80.0)
    off_db = float(np.abs(-80.0 * np.log10(np.maximum(value, least)) - right).max())
    if not off_db <= FIT_DB:
        shape[7] = 1.0
        return shape, 0.0
    return shape, off_db


def direction_table(pattern: Pattern) -> NDArray[np.float32]:
    """Return the linear horizontal pattern at the directions that `table_power` reads."""
    v = np.linspace(-float(SPAN), float(SPAN), DIRECTIONS)
    other = np.sqrt(1.0 - v**2)
    angles = (
        np.arctan2(v, other), np.arctan2(v, -other), np.arctan2(other, v), np.arctan2(-other, v),
    )  # fmt: skip
    return np.concatenate(
        [10.0 ** (-pattern.horizontal_db(np.degrees(a)) / 10.0) for a in angles]
    ).astype(np.float32)


def default_reach_m(model: str, carrier: Carrier, element_dbm: float, height_m: float,
                    terminal_height_m: float, noise_dbm: float) -> float:  # fmt: skip
    """Return where the main beam falls `DROP_DB` below the noise, within the model's range."""
    low, high = MODELS[model].distance_m
    d = np.geomspace(low, high, 400)
    loss = path_loss(model, d, carrier.frequency_ghz, height_m, terminal_height_m).loss_db
    heard = element_dbm - loss >= noise_dbm - DROP_DB
    return float(d[np.flatnonzero(heard)[-1]]) if heard.any() else low


def channels(carriers: Sequence[Carrier]) -> NDArray[np.int32]:
    """Return the channel of each carrier, numbered as they come."""
    keys = [c.channel if c.channel is not None else c.frequency_ghz for c in carriers]
    seen: dict[Any, int] = {}
    return np.array([seen.setdefault(key, len(seen)) for key in keys], np.int32)


def prepare(
    sites: SiteTable, sectors: SectorTable, grid: Grid, carriers: Sequence[Carrier],
    patterns: Sequence[Pattern], *, terminal_height_m: float, noise_figure_db: float,
    is_terrain: bool = False,
) -> Network:  # fmt: skip
    """Return the network as arrays, its tables built."""
    n = len(sectors)
    if n >= SECTORS_MAX:
        raise ValueError(f"sectors must be fewer than {SECTORS_MAX}; got {n}")
    host = sectors.site
    height = np.round(sites.antenna_height_m[host] / HEIGHT_STEP_M) * HEIGHT_STEP_M
    tilt = sectors.mechanical_tilt_deg + sectors.electrical_tilt_deg
    tilt = np.round(tilt / TILT_STEP_DEG) * TILT_STEP_DEG
    eirp = np.array([c.eirp_dbm for c in carriers])[sectors.carrier]
    per_element = np.array([c.element_dbm - c.eirp_dbm for c in carriers])[sectors.carrier]
    given = sectors.eirp_dbm
    element_dbm = np.where(np.isnan(given), eirp, given) + per_element
    noise_dbm = np.array([
        NOISE_DBM_PER_HZ + 10.0 * np.log10(c.subcarrier_khz * 1e3) + noise_figure_db
        for c in carriers
    ])  # fmt: skip
    channel = channels(carriers)

    # one number for each class: sorting rows of a table would take most of the set-up
    digits = (
        sites.model[host], sectors.carrier, sectors.pattern,
        np.rint(height / HEIGHT_STEP_M), np.rint(tilt / TILT_STEP_DEG) + TILT_STEPS,
    )  # fmt: skip
    code = np.zeros(n, np.int64)
    for digit in digits:
        code = code * CODE_BASE + np.asarray(digit, np.int64)
    _, pick, class_of = np.unique(code, return_index=True, return_inverse=True)
    classes = np.stack([sites.model[host], sectors.carrier, sectors.pattern, height, tilt], axis=1)[
        pick
    ]
    reach = np.empty(len(classes))
    parts, entry = [], np.empty(len(classes), np.int64)
    at = 0
    strongest = np.full(len(classes), -np.inf)
    np.maximum.at(strongest, class_of, element_dbm)
    for c, (code, carrier_no, pattern_no, high, down) in enumerate(classes.tolist()):
        carrier, model = carriers[int(carrier_no)], sites.models[int(code)]
        reach[c] = carrier.reach_m or default_reach_m(
            model, carrier, strongest[c], high, terminal_height_m, noise_dbm[int(carrier_no)]
        )
        part = gain_table(
            model, carrier.frequency_ghz, high, down, patterns[int(pattern_no)],
            terminal_height_m, reach[c], is_terrain=is_terrain,
        )  # fmt: skip
        entry[c] = at - distance_entry(LEAST_M**2)
        parts.append(part)
        at += part.size

    order = np.lexsort((np.arange(n), class_of, host))
    mark = np.ones(n, bool)
    mark[1:] = (host[order][1:] != host[order][:-1]) | (class_of[order][1:] != class_of[order][:-1])
    start = np.flatnonzero(mark)
    group_class, group_site = class_of[order][start], host[order][start]
    fits = [fit_shape(p) for p in patterns]
    factor = 10.0 ** (np.array([c.offset_db for c in carriers])[sectors.carrier] / 10.0)
    azimuth = np.radians(sectors.azimuth_deg)
    power = 10.0 ** (element_dbm / 10.0) * factor
    return Network(
        place=np.stack([sites.x_m[group_site] - grid.x0_m, grid.y0_m - sites.y_m[group_site]], 1),
        reach=(reach[group_class] ** 2).astype(np.float32),
        entry=entry[group_class],
        channel=channel[classes[group_class, 1].astype(np.int64)],
        first=np.append(start, n).astype(np.int64),
        direction=np.stack([np.sin(azimuth), np.cos(azimuth)], 1).astype(np.float32)[order],
        power=power.astype(np.float32)[order],
        kind=sectors.pattern[order],
        name=order.astype(np.float32),
        factor=factor.astype(np.float32)[order],
        undo=(1.0 / factor).astype(np.float32),
        table=np.concatenate(parts),
        shapes=np.stack([f[0] for f in fits]),
        directions=np.stack([direction_table(p) for p in patterns]),
        least2=LEAST_M**2,
        n_channel=int(channel.max()) + 1,
        channel_of=channel[sectors.carrier],
        noise_mw=(10.0 ** (noise_dbm / 10.0)).astype(np.float32)[sectors.carrier],
        carrier_of=sectors.carrier,
        group_site=group_site.astype(np.int32),
        fit_db=max(f[1] for f in fits),
    )


def tile_count(grid: Grid) -> tuple[int, int]:
    """Return rows and columns of tiles."""
    return -(-grid.n_row // TILE), -(-grid.n_col // TILE)


@jit
def reach_tiles(down, across, side, place, reach, indptr, mast):
    """List the groups whose circle touches each tile; counts them where `mast` is empty."""
    here = indptr.copy()
    for m in range(place.shape[0]):
        r = np.sqrt(reach[m])
        x, y = place[m, 0], place[m, 1]
        a0 = max(int(np.floor((x - r) / side)), 0)
        a1 = min(int(np.floor((x + r) / side)), across - 1)
        b0 = max(int(np.floor((y - r) / side)), 0)
        b1 = min(int(np.floor((y + r) / side)), down - 1)
        for b in range(b0, b1 + 1):
            for a in range(a0, a1 + 1):
                dx = max(a * side - x, x - (a + 1) * side, 0.0)
                dy = max(b * side - y, y - (b + 1) * side, 0.0)
                if dx * dx + dy * dy > reach[m]:
                    continue
                t = b * across + a
                if mast.size:
                    mast[here[t]] = m
                here[t] += 1
    return here


def bucket(network: Network, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the groups of each tile, ascending: (n_tile + 1,) int64, (n_pair,) int32."""
    down, across = tile_count(grid)
    side = TILE * grid.cell_m
    empty = np.empty(0, np.int32)
    zero = np.zeros(down * across, np.int64)
    reach = network.reach.astype(np.float64)
    count = reach_tiles(down, across, side, network.place, reach, zero, empty)
    indptr = np.zeros(down * across + 1, np.int64)
    np.cumsum(count, out=indptr[1:])
    mast = np.empty(int(indptr[-1]), np.int32)
    if mast.size:
        reach_tiles(down, across, side, network.place, reach, indptr[:-1], mast)
    return indptr, mast
