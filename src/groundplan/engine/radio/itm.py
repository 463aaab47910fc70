r"""ITM, the irregular terrain model of NTIA/ITS (Longley-Rice), version 1.4: two modes.

`itm_profile` takes terrain profiles (point-to-point mode), `itm_area` a terrain irregularity and a
distance (area mode). Both give the basic transmission loss

.. math:: L = L_{fs} + A_{ref} - V_{med} - Y_R - Y_S

free space, reference attenuation (`itm_attenuation`) and variability (`itm_variability`).

Percentages mean: the loss is not exceeded in ``time_percent`` of the time, at ``location_percent``
of the locations, in ``situation_percent`` of like situations. The pair of reliability and
confidence is the same model with time = reliability, location = 50, situation = confidence. Which
of the three count is chosen by the mode of variability ``mdvar``: 0 single message (situation
alone), 1 accidental (time; location with situation), 2 mobile (location with time; situation), 3
broadcast (all three apart); 10 more leaves the variability of location out, as for a path between
two fixed places, 20 more the direct variability of situation.

What is out of the model's range is not hidden: NTIA's warnings and failed ranges come back as bits
(`FLAGS`), and ``valid`` is False where a range failed.

Left out: clutter and buildings (the heights are those of the profile), the antennas' gain,
atmospheric gases and rain, frequencies and distances beyond `RANGES`.

References
----------
Hufford, G. A., Longley, A. G., Kissick, W. A. (1982), NTIA report 82-100. Reference implementation
by NTIA/ITS (version 1.4), whose creation is acknowledged; it was read for interpretation, and the
code here is written anew, 2026.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from groundplan.engine._jit import chunks, spread
from groundplan.engine.radio.arguments import above, fit, real, row_lengths
from groundplan.engine.radio.itm_input import (
    FLAGS,
    MODEL,
    RANGES,
    SITINGS,
    VERSION,
    ItmLoss,
    answer,
    ask,
    deviates,
    itm_warnings,
)
from groundplan.engine.radio.itm_kernel import HOLE, OUT, area_paths, profile_paths, uneven_steps
from groundplan.engine.radio.itm_variability import climate_table

__all__ = [
    "FLAGS",
    "MODEL",
    "RANGES",
    "VERSION",
    "ItmLoss",
    "itm_area",
    "itm_profile",
    "itm_warnings",
]

#: Distances may be rounded by this share of the spacing.
SPACING_TOLERANCE = 0.05
#: Paths are cut into this many chunks whatever the number of threads.
CHUNKS = 64


def itm_profile(
    distance_km: ArrayLike,
    height_m: ArrayLike,
    *,
    frequency_ghz: ArrayLike,
    tx_height_m: ArrayLike,
    rx_height_m: ArrayLike,
    count: ArrayLike | None = None,
    time_percent: ArrayLike | None = None,
    location_percent: ArrayLike | None = None,
    situation_percent: ArrayLike | None = None,
    reliability_percent: ArrayLike | None = None,
    confidence_percent: ArrayLike | None = None,
    polarisation: ArrayLike = "vertical",
    climate: ArrayLike = 5,
    n0: ArrayLike = 301.0,
    eps_r: ArrayLike = 15.0,
    sigma_s_per_m: ArrayLike = 0.005,
    mdvar: ArrayLike = 12,
    intermediates: bool = False,
) -> ItmLoss:
    """Return the loss over terrain profiles (point-to-point mode).

    Every argument may be one number or one for each path.

    Parameters
    ----------
    distance_km : (n_point,) or (n_path, n_point) array
        Along the path from the transmitter, km, evenly spaced from 0 within 5 % of the spacing.
        One row serves all paths; one profile serves many numbers.
    height_m : (n_point,) or (n_path, n_point) array
        Ground above sea level, m.
    frequency_ghz : float or (n_path,) array
        GHz, > 0; valid 0.02 to 20.
    tx_height_m, rx_height_m : float or (n_path,) array
        Antennas above ground, m, > 0; valid 0.5 to 3000.
    count : (n_path,) array of int, optional
        Points of each profile, >= 3, where rows are padded; what follows is not read. By default
        those before the NaN that end its distances.
    time_percent, location_percent, situation_percent : float or (n_path,) array, optional
        > 0 and < 100; 50 by default.
    reliability_percent, confidence_percent : float or (n_path,) array, optional
        In place of the three; 50 by default.
    polarisation : str or (n_path,) array of str
        ``"vertical"`` or ``"horizontal"``; or ``"v"``, ``"h"``, or 1 and 0 as in NTIA's files.
    climate : int or (n_path,) array of int
        1 equatorial, 2 continental subtropical, 3 maritime subtropical, 4 desert, 5 continental
        temperate, 6 maritime temperate over land, 7 over sea.
    n0 : float or (n_path,) array
        Refractivity reduced to sea level, N-units; valid 250 to 400. 301 is NTIA's value for the
        continental temperate climate.
    eps_r, sigma_s_per_m : float or (n_path,) array
        Permittivity, >= 1, and conductivity, S/m, > 0, of the ground; average ground by default.
    mdvar : int or (n_path,) array of int
        Mode of variability, see the module; 12 by default: mobile, fixed places. Note that under
        12 the location's share has no effect.
    intermediates : bool
        Return them too.

    Returns
    -------
    ItmLoss

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument, value and, for profiles, the row.

    Examples
    --------
    >>> import numpy as np
    >>> told = itm_profile(np.arange(101) * 0.1, np.zeros(101), frequency_ghz=0.7,
    ...                    tx_height_m=30.0, rx_height_m=1.5)
    >>> round(told.loss_db, 2), told.valid
    (127.43, True)
    """
    h = real("height_m", height_m)
    d = real("distance_km", distance_km)
    if h.ndim not in {1, 2}:
        raise ValueError(
            f"height_m must be one profile (1-D) or one row per path (2-D); got shape {h.shape}"
        )
    if not h.size:
        raise ValueError(f"height_m must not be empty; got shape {h.shape}")
    shape = h.shape[:-1]
    numbers = {
        "frequency_ghz": frequency_ghz, "tx_height_m": tx_height_m, "rx_height_m": rx_height_m,
        "time_percent": time_percent, "location_percent": location_percent,
        "situation_percent": situation_percent, "reliability_percent": reliability_percent,
        "confidence_percent": confidence_percent, "polarisation": polarisation,
        "climate": climate, "n0": n0, "eps_r": eps_r, "sigma_s_per_m": sigma_s_per_m,
        "mdvar": mdvar, "count": count,
    }  # fmt: skip
    if shape == ():
        shape = fit(**numbers)
        if len(shape) > 1:
            raise ValueError(f"arguments must be one number or one per path; got shape {shape}")
    h = np.ascontiguousarray(np.broadcast_to(h, (*shape, h.shape[-1])))
    h = np.atleast_2d(h)
    if d.ndim == 2 and len(d) == 1:
        d = d[0]
    if d.ndim not in {1, 2} or d.shape[-1] != h.shape[1] or (d.ndim == 2 and len(d) != len(h)):
        raise ValueError(
            f"distance_km must have the points of height_m, {h.shape[1]}, in one row or in as many "
            f"rows; got shape {d.shape} for {h.shape}"
        )
    d = np.ascontiguousarray(np.atleast_2d(d))
    n_path, n_point = h.shape
    points = row_lengths(d) if count is None else np.asarray(count)
    if points.dtype.kind not in "iu" or points.shape not in {(), (1,), (n_path,)}:
        raise ValueError(f"count must be one whole number or one per path; got {count!r}")
    points = np.ascontiguousarray(np.broadcast_to(points, (n_path,)), dtype=np.int64)
    short = np.flatnonzero((points < 3) | (points > n_point))
    if short.size:
        raise ValueError(
            f"a profile needs 3 or more points, and no more than it has columns, {n_point}; "
            f"row {short[0]} has {points[short[0]]}"
        )
    z = deviates(
        time_percent, location_percent, situation_percent, reliability_percent, confidence_percent
    )
    given, flags = ask(
        shape, frequency_ghz, tx_height_m, rx_height_m, n0, eps_r, sigma_s_per_m, polarisation,
        climate, mdvar, z,
    )  # fmt: skip

    asked = points if len(d) == n_path else points.max(keepdims=True)
    step_m = np.empty(len(d))
    for row in spread(uneven_steps, chunks(len(d), CHUNKS), d, asked, step_m, SPACING_TOLERANCE):
        if row >= 0:
            gap = np.flatnonzero(~np.isfinite(d[row, : asked[row]]))
            if gap.size:
                raise ValueError(
                    f"distance_km must be finite; row {row}, point {gap[0]} is {d[row, gap[0]]}"
                )
            raise ValueError(
                "distance_km must rise evenly from 0, as ITM counts steps: resample the profile; "
                f"row {row} does not"
            )
    # to the nanometre: gives back the spacing as it was before it was written in km
    step_m = np.ascontiguousarray(np.broadcast_to(np.round(step_m, 9), (n_path,)))
    inverse = np.zeros(n_point)
    inverse[1:] = 1.0 / np.arange(1, n_point)
    out = np.empty((n_path, len(OUT)))
    spread(
        profile_paths, chunks(n_path, CHUNKS), h, points, step_m, given, climate_table(), inverse,
        out,
    )  # fmt: skip
    holes = np.flatnonzero(out[:, OUT.index("flags")] == HOLE)
    if holes.size:
        row = holes[0]
        column = np.flatnonzero(~np.isfinite(h[row, : points[row]]))[0]
        raise ValueError(
            f"height_m must be finite; row {row}, point {column} is {h[row, column]} "
            f"({holes.size} of {n_path} profiles have such points): fill holes before"
        )
    return answer(out, flags, shape, intermediates=intermediates)


def itm_area(
    distance_km: ArrayLike,
    delta_h_m: ArrayLike,
    *,
    frequency_ghz: ArrayLike,
    tx_height_m: ArrayLike,
    rx_height_m: ArrayLike,
    tx_siting: ArrayLike = "random",
    rx_siting: ArrayLike = "random",
    time_percent: ArrayLike | None = None,
    location_percent: ArrayLike | None = None,
    situation_percent: ArrayLike | None = None,
    reliability_percent: ArrayLike | None = None,
    confidence_percent: ArrayLike | None = None,
    polarisation: ArrayLike = "vertical",
    climate: ArrayLike = 5,
    n0: ArrayLike = 301.0,
    eps_r: ArrayLike = 15.0,
    sigma_s_per_m: ArrayLike = 0.005,
    mdvar: ArrayLike = 3,
    intermediates: bool = False,
) -> ItmLoss:
    """Return the loss at a distance over terrain of a given irregularity (area mode).

    All arguments broadcast against each other.

    Parameters
    ----------
    distance_km : float or array
        km, > 0.
    delta_h_m : float or array
        Terrain irregularity: 10 % to 90 % range of the heights, m, >= 0; about 0 over water, 30
        over plains, 90 over hills, 200 over mountains.
    tx_siting, rx_siting : str or array of str
        ``"random"``, ``"careful"`` or ``"very careful"``.
    n0 : float or array
        Refractivity at the surface, N-units; valid 250 to 400.
    mdvar : int or array of int
        Mode of variability, see the module; 3 by default: broadcast.
    frequency_ghz, tx_height_m, rx_height_m, time_percent, location_percent, situation_percent, \
reliability_percent, confidence_percent, polarisation, climate, eps_r, sigma_s_per_m, intermediates
        As for `itm_profile`.

    Returns
    -------
    ItmLoss

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> told = itm_area([5.0, 50.0], 90.0, frequency_ghz=0.7, tx_height_m=30.0, rx_height_m=1.5)
    >>> told.loss_db.round(2).tolist()
    [121.26, 164.66]
    """
    d = above("distance_km", distance_km, 0.0)
    delta_h = above("delta_h_m", delta_h_m, 0.0, is_open=False)
    sited = []
    for name, value in (("tx_siting", tx_siting), ("rx_siting", rx_siting)):
        words = np.asarray(value)
        if not np.isin(words, SITINGS).all():
            wrong = words[~np.isin(words, SITINGS)].flat[0]
            raise ValueError(f"{name} must be one of {', '.join(SITINGS)}; got {str(wrong)!r}")
        sited.append(np.select([words == w for w in SITINGS[1:]], [1.0, 2.0], 0.0))
    z = deviates(
        time_percent, location_percent, situation_percent, reliability_percent, confidence_percent
    )
    radio = (frequency_ghz, tx_height_m, rx_height_m, polarisation)
    ground = (climate, n0, eps_r, sigma_s_per_m, mdvar)
    names = (
        "distance_km", "delta_h_m", "tx_siting", "rx_siting", "time_percent", "location_percent",
        "situation_percent", "frequency_ghz", "tx_height_m", "rx_height_m", "polarisation",
        "climate", "n0", "eps_r", "sigma_s_per_m", "mdvar",
    )  # fmt: skip
    shape = fit(**dict(zip(names, (d, delta_h, *sited, *z, *radio, *ground), strict=True)))
    given, flags = ask(
        shape, frequency_ghz, tx_height_m, rx_height_m, n0, eps_r, sigma_s_per_m, polarisation,
        climate, mdvar, z,
    )  # fmt: skip
    place = np.empty((len(given), 4))
    for k, column in enumerate((d * 1000.0, delta_h, *sited)):
        place[:, k] = np.broadcast_to(column, shape).ravel()
    out = np.empty((len(given), len(OUT)))
    spread(area_paths, chunks(len(given), CHUNKS), place, given, climate_table(), out)
    return answer(out, flags, shape, intermediates=intermediates)
