r"""Corrections of a model from measurements, and how well they hold where they were not fitted.

The residual of point i in class c at distance d is modelled as

.. math:: m_i - p_i = o_c + s_c \lg(d_i / d_0) + e_i

with measurement m and prediction p of the same quantity (loss or RSRP, dB), an offset and, where
asked, a slope for each class; :math:`d_0` is the geometric mean distance. Each class is fitted by
Huber's estimate (k = 1.345, scale from the median deviation), so single outliers do not pull it.

**Thin classes** lean on the rest: with :math:`\tau^2` the variance between classes (DerSimonian
and Laird) and :math:`v_c` the variance of the class's own value, the value taken is

.. math:: \bar o + \frac{\tau^2}{\tau^2 + v_c} (o_c - \bar o).

Points of a drive stand close together and repeat each other, so :math:`v_c` counts spatial blocks,
not points, where blocks are given. The slope is used inside the distances seen, held beyond.

An error on the points of the fit flatters. `held_out` fits on all groups but one and predicts that
one, group after group: stations, or blocks of the map.

Left out: censoring (points below sensitivity are not in a drive), several frequencies in one fit,
and correlation between classes.

References
----------
Huber, "Robust estimation of a location parameter" (1964). DerSimonian and Laird, "Meta-analysis in
clinical trials" (1986).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.radio.arguments import finite, fit, real

__all__ = [
    "Calibration",
    "Errors",
    "HeldOut",
    "calibrate",
    "errors_db",
    "held_out",
    "measured_loss_db",
    "spatial_blocks",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
HUBER_K = 1.345
#: Median absolute deviation of a normal law with sigma 1.
MAD_NORMAL = 0.6744897501960817
MAX_ROUNDS = 100
#: Least points of a class for a slope of its own; below it takes the common one.
SLOPE_POINTS = 10
#: A spread below which residuals are taken as equal, dB.
TINY_DB = 1e-9


class Errors(NamedTuple):
    """Error of a prediction, prediction minus measurement, dB.

    Attributes
    ----------
    point_count : int
    bias_db, rmse_db, std_db : float
        ``rmse^2 = bias^2 + std^2``.
    """

    point_count: int
    bias_db: float
    rmse_db: float
    std_db: float


class Calibration(NamedTuple):
    """Corrections by class.

    Attributes
    ----------
    class_ : (n_class,) array
        Names or numbers, sorted.
    offset_db, slope_db : (n_class,) float64
        To be added to the model at `distance_ref_m`, and dB per decade of distance.
    raw_offset_db : (n_class,) float64
        Before shrinkage.
    common_offset_db, common_slope_db : float
        For classes that were not measured.
    distance_ref_m, distance_min_m, distance_max_m : float
        Where the offsets hold, and the distances seen.
    point_count, block_count : (n_class,) int64
        Points, and spatial blocks, of each class.
    sigma_db : (n_class,) float64
        Robust spread about the correction.
    between_db : float
        Standard deviation between classes, from which the shrinkage follows.
    """

    class_: NDArray[Any]
    offset_db: FloatArray
    slope_db: FloatArray
    raw_offset_db: FloatArray
    common_offset_db: float
    common_slope_db: float
    distance_ref_m: float
    distance_min_m: float
    distance_max_m: float
    point_count: IntArray
    block_count: IntArray
    sigma_db: FloatArray
    between_db: float

    def correct(
        self,
        model_db: ArrayLike,
        class_: ArrayLike | None = None,
        distance_m: ArrayLike | None = None,
    ) -> Any:
        """Return the corrected prediction.

        Parameters
        ----------
        model_db : array
            Of the quantity that was calibrated.
        class_ : array, optional
            Class of each point; the common correction where left out or not measured.
        distance_m : array, optional
            Needed where slopes were fitted.
        """
        model = np.asarray(model_db, np.float64)
        offset, slope = self._of(class_, model.shape)
        if not slope.any():
            return model + offset
        if distance_m is None:
            raise ValueError("distance_m must be given: slopes were fitted; got None")
        d = np.clip(np.asarray(distance_m, np.float64), self.distance_min_m, self.distance_max_m)
        return model + offset + slope * np.log10(d / self.distance_ref_m)

    def _of(
        self, class_: ArrayLike | None, shape: tuple[int, ...]
    ) -> tuple[FloatArray, FloatArray]:
        """Return offset and slope of each point."""
        offset = np.full(shape, self.common_offset_db)
        slope = np.full(shape, self.common_slope_db)
        if class_ is None:
            return offset, slope
        asked = np.broadcast_to(np.asarray(class_), shape)
        at = np.clip(np.searchsorted(self.class_, asked), 0, self.class_.size - 1)
        known = self.class_[at] == asked
        return (
            np.where(known, self.offset_db[at], offset),
            np.where(known, self.slope_db[at], slope),
        )


class HeldOut(NamedTuple):
    """Errors on points that the fit did not see, beside those without calibration.

    Attributes
    ----------
    uncalibrated, calibrated : Errors
        Over all points.
    by_group : tuple of (group, Errors, Errors)
        The same of each group: uncalibrated, calibrated.
    """

    uncalibrated: Errors
    calibrated: Errors
    by_group: tuple[tuple[Any, Errors, Errors], ...]


def errors_db(predicted_db: ArrayLike, measured_db: ArrayLike) -> Errors:
    """Return the errors of a prediction.

    Examples
    --------
    >>> errors_db([3.0, 5.0], [0.0, 0.0])
    Errors(point_count=2, bias_db=4.0, rmse_db=4.123105625617661, std_db=1.0)
    """
    error = np.asarray(predicted_db, np.float64) - np.asarray(measured_db, np.float64)
    return Errors(
        int(error.size),
        float(error.mean()),
        float(np.sqrt((error**2).mean())),
        float(error.std()),
    )


def measured_loss_db(
    rsrp_dbm: ArrayLike,
    eirp_per_element_dbm: ArrayLike,
    pattern_loss_db: ArrayLike = 0.0,
    terminal_gain_dbi: ArrayLike = 0.0,
) -> Any:
    """Return the path loss behind a measured RSRP.

    Parameters
    ----------
    rsrp_dbm : array
        Received power of one resource element.
    eirp_per_element_dbm : array
        Radiated power of one resource element in the main beam: of the carrier, less
        ``10 lg(12 N_PRB)``.
    pattern_loss_db : array
        How far the pattern lies below its peak towards the point, dB >= 0.
    terminal_gain_dbi : array
        Antenna and cable of the receiver.

    Examples
    --------
    >>> measured_loss_db(-95.0, 30.0, 3.0)
    122.0
    """
    eirp, pattern, terminal, rsrp = [
        real(name, value)
        for name, value in (
            ("eirp_per_element_dbm", eirp_per_element_dbm),
            ("pattern_loss_db", pattern_loss_db),
            ("terminal_gain_dbi", terminal_gain_dbi),
            ("rsrp_dbm", rsrp_dbm),
        )
    ]
    fit(
        eirp_per_element_dbm=eirp,
        pattern_loss_db=pattern,
        terminal_gain_dbi=terminal,
        rsrp_dbm=rsrp,
    )
    loss = eirp - pattern + terminal - rsrp
    return float(loss) if loss.ndim == 0 else loss


def spatial_blocks(x_m: ArrayLike, y_m: ArrayLike, size_m: float) -> IntArray:
    """Return the number of the square block of the map in which each point lies, from 0.

    Examples
    --------
    >>> spatial_blocks([0.0, 10.0, 250.0], [0.0, 20.0, 0.0], 100.0).tolist()
    [0, 0, 1]
    """
    if not size_m > 0.0:
        raise ValueError(f"size_m must be > 0; got {size_m}")
    x, y = finite("x_m", x_m).ravel(), finite("y_m", y_m).ravel()
    if x.shape != y.shape:
        raise ValueError(f"y_m must have one value for each of {x.size} points; got {y.size}")
    cell = np.floor(np.stack([x, y]) / size_m)
    _, block = np.unique(cell, axis=1, return_inverse=True)
    return np.asarray(block, np.int64).ravel()


def _line(value: FloatArray, lg_d: FloatArray | None) -> tuple[float, float, float]:
    """Return Huber's offset at the mean of `lg_d`, slope, and scale, of one class."""
    centre = np.zeros(value.shape) if lg_d is None else lg_d - lg_d.mean()
    has_slope = bool((centre**2).sum() > 0.0)
    offset, slope = float(np.median(value)), 0.0
    scale = 0.0
    for _ in range(MAX_ROUNDS):
        rest = value - offset - slope * centre
        scale = float(np.median(np.abs(rest - np.median(rest)))) / MAD_NORMAL
        weight = np.minimum(1.0, HUBER_K * max(scale, TINY_DB) / np.maximum(np.abs(rest), TINY_DB))
        total = weight.sum()
        x = centre - (weight @ centre) / total
        spread = weight @ x**2
        new_slope = float((weight * x) @ value / spread) if has_slope and spread > 0.0 else 0.0
        new_offset = float(weight @ (value - new_slope * centre) / total)
        moved = abs(new_offset - offset) + abs(new_slope - slope)
        offset, slope = new_offset, new_slope
        if moved < 1e-9:
            break
    return offset, slope, scale


def _shrunk(value: FloatArray, variance: FloatArray) -> tuple[FloatArray, float, float]:
    """Return values drawn to their common mean, that mean, and the deviation between classes."""
    weight = 1.0 / variance
    mean = float((weight @ value) / weight.sum())
    n = value.size
    if n == 1:
        return value.copy(), mean, 0.0
    excess = float(weight @ (value - mean) ** 2) - (n - 1)
    room = float(weight.sum() - (weight**2).sum() / weight.sum())
    between = max(excess / room, 0.0)
    weight = 1.0 / (variance + between)
    mean = float((weight @ value) / weight.sum())
    return mean + between / (between + variance) * (value - mean), mean, float(np.sqrt(between))


def _checked(
    measured_db: ArrayLike, model_db: ArrayLike, **named: ArrayLike | None
) -> tuple[FloatArray, FloatArray, dict[str, NDArray[Any] | None]]:
    measured = real("measured_db", measured_db).ravel()
    model = real("model_db", model_db).ravel()
    arrays = {k: None if v is None else np.asarray(v).ravel() for k, v in named.items()}
    for name, array in {"model_db": model, **arrays}.items():
        if array is not None and array.shape != measured.shape:
            raise ValueError(
                f"{name} must have one value for each of {measured.size} points; got {array.size}"
            )
    for name, array in (("measured_db", measured), ("model_db", model)):
        if array.size == 0 or not np.isfinite(array).all():
            bad = np.flatnonzero(~np.isfinite(array))
            got = f"{array[bad[0]]} at point {bad[0]}" if bad.size else "no points"
            raise ValueError(f"{name} must be finite numbers; got {got}")
    distance = arrays.get("distance_m")
    if distance is not None and not (np.asarray(distance, np.float64) > 0.0).all():
        raise ValueError(f"distance_m must be > 0; got {distance.min()}")
    return measured, model, arrays


def calibrate(
    measured_db: ArrayLike,
    model_db: ArrayLike,
    class_: ArrayLike | None = None,
    distance_m: ArrayLike | None = None,
    *,
    block: ArrayLike | None = None,
    has_slope: bool = False,
) -> Calibration:
    """Return what to add to a model so that it meets measurements, class by class.

    Parameters
    ----------
    measured_db, model_db : (n,) array
        The same quantity at the same points: path loss in dB, or RSRP in dBm.
    class_ : (n,) array, optional
        Clutter class, band or whatever tells points apart; one class where left out.
    distance_m : (n,) array, optional
        Needed with `has_slope`.
    block : (n,) array, optional
        Spatial block of each point (`spatial_blocks`); each point its own where left out, which
        trusts thin classes more than points in a row deserve.
    has_slope : bool
        Fit a slope over the logarithm of distance beside the offset.

    Returns
    -------
    Calibration

    Examples
    --------
    >>> told = calibrate([101.0, 102.0, 103.0], [90.0, 91.0, 92.0])
    >>> told.correct([95.0]).tolist()
    [106.0]
    """
    measured, model, named = _checked(
        measured_db, model_db, class_=class_, distance_m=distance_m, block=block
    )
    rest = measured - model
    kinds = np.zeros(rest.size, np.int64) if named["class_"] is None else named["class_"]
    names, of = np.unique(kinds, return_inverse=True)
    d = named["distance_m"]
    if has_slope and d is None:
        raise ValueError("distance_m must be given with has_slope; got None")
    lg_d = np.zeros(rest.size) if d is None else np.log10(np.asarray(d, np.float64))
    lg_ref = float(lg_d.mean())
    places = np.arange(rest.size) if named["block"] is None else named["block"]
    n = names.size
    count, blocks = np.zeros(n, np.int64), np.zeros(n, np.int64)
    offset, slope, scale = np.zeros(n), np.zeros(n), np.zeros(n)
    offset_variance, slope_variance = np.zeros(n), np.full(n, np.inf)
    _, common, all_scale = _line(rest, lg_d if has_slope else None)
    floor = max(all_scale, 1e-3)
    for c in range(n):
        here = of == c
        count[c], blocks[c] = here.sum(), np.unique(places[here]).size
        own = has_slope and count[c] >= SLOPE_POINTS and np.ptp(lg_d[here]) > 0.0
        offset[c], slope[c], scale[c] = _line(rest[here], lg_d[here] if own else None)
        # a class of few points knows its own spread badly: not below that of all
        variance = max(scale[c], floor if count[c] < SLOPE_POINTS else 1e-3) ** 2
        offset_variance[c] = variance / blocks[c]
        if own:
            slope_variance[c] = variance / (blocks[c] * lg_d[here].var())
    if has_slope:
        fitted = np.isfinite(slope_variance)
        slope[~fitted] = common
        if fitted.any():
            slope[fitted], common, _ = _shrunk(slope[fitted], slope_variance[fitted])
            slope[~fitted] = common
    for c in range(n):
        # offsets hold at the reference distance, on the slope that is taken
        here = of == c
        raw, _, scale[c] = _line(rest[here] - slope[c] * (lg_d[here] - lg_ref), None)
        offset[c] = raw
    kept, mean, between = _shrunk(offset, offset_variance)
    seen = (1.0, 1.0) if d is None else (float(10 ** lg_d.min()), float(10 ** lg_d.max()))
    return Calibration(
        names, kept, slope, offset, mean, common if has_slope else 0.0, float(10**lg_ref), *seen,
        count, blocks, scale, between,
    )  # fmt: skip


def held_out(
    measured_db: ArrayLike,
    model_db: ArrayLike,
    group: ArrayLike,
    class_: ArrayLike | None = None,
    distance_m: ArrayLike | None = None,
    *,
    block: ArrayLike | None = None,
    has_slope: bool = False,
) -> HeldOut:
    """Return the error on each group of a calibration fitted on all others.

    Parameters
    ----------
    measured_db, model_db, class_, distance_m, block, has_slope
        As for `calibrate`.
    group : (n,) array
        Station of each point, or its spatial block; at least two.
    """
    measured, model, named = _checked(
        measured_db, model_db, class_=class_, distance_m=distance_m, block=block, group=group
    )
    groups = named.pop("group")
    names = np.unique(groups) if groups is not None else np.zeros(0)
    if names.size < 2:
        raise ValueError(f"group must hold at least two groups; got {names.size}")
    told = np.empty(measured.shape)
    rows = []
    for name in names:
        out = groups == name
        part = {k: None if v is None else v[~out] for k, v in named.items()}
        fit = calibrate(measured[~out], model[~out], **part, has_slope=has_slope)
        kind, d = (named[k] for k in ("class_", "distance_m"))
        told[out] = fit.correct(
            model[out], None if kind is None else kind[out], None if d is None else d[out]
        )
        before = errors_db(model[out], measured[out])
        rows.append((name, before, errors_db(told[out], measured[out])))
    return HeldOut(errors_db(model, measured), errors_db(told, measured), tuple(rows))
