r"""ITU-R P.452-18: clear-air loss between stations on the earth's surface, 0.1 to 50 GHz.

The interference loss not exceeded for ``p`` % of the time: line of sight with focusing,
diffraction, ducting and troposcatter, blended as in P.1812 (`clear_air`), with attenuation by
gases in each, the coupling loss of high-gain antennas in troposcatter, and weights that look at
how far the ground rises into the ray instead of the angular distance.

Gases follow P.676 line by line for the given pressure and temperature, with 7.5 + 2.5 omega g/m3
of vapour over a path of which the share ``omega`` is sea, and 3 g/m3 for troposcatter.

Clutter: edition 18 has no terminal clutter loss any more; representative clutter heights raise the
points between the terminals in the Bullington construction instead, except within 50 m of either
terminal (clause 4.2.1).

Troposcatter is not held above the free-space loss, as in the reference implementation; with gases
of 7.5 g/m3 in the one and 3 g/m3 in the other it can pass below on long paths above 20 GHz.

Left out: scatter by rain (clause 5), location variability (the Recommendation has none), and the
maps of DN and N0, which may not be passed on: they are arguments here.

Accuracy: the 595 validation cases of ITU-R working party 3M within 1e-5 dB, which is what the six
decimals of their inputs leave open.

References
----------
Recommendation ITU-R P.452-18 (10/2023), annex 1. Interpretation where the text is open:
crc-covlib (MIT).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from groundplan.engine._jit import chunks, spread
from groundplan.engine.radio.p676 import specific_attenuation
from groundplan.engine.radio.p1812 import (
    assumed_latitude,
    finish_cases,
    latitude_arguments,
    not_median,
    outcome,
)
from groundplan.engine.radio.profile import ProfileLoss
from groundplan.engine.radio.profile_cases import (
    N_CHUNK,
    Cases,
    FloatArray,
    out_of_range,
    prepare,
    run,
)
from groundplan.engine.radio.profile_geometry import (
    COAST_CODE,
    INLAND_CODE,
    SEA_CODE,
    sea_share,
)

__all__ = ["NAME", "RANGES", "annual_percent", "loss"]

NAME = "ITU-R P.452-18"
#: Ranges that the Recommendation states; outside them `valid` is False.
RANGES: dict[str, tuple[float, float]] = {
    "frequency_ghz": (0.1, 50.0),
    "time_percent": (0.001, 50.0),
    "distance_km": (0.0, 10_000.0),
}
TINY = 5e-324
POSSIBLE: dict[str, tuple[float, float, str]] = {
    "frequency_ghz": (TINY, 1000.0, "more than 0 and at most 1000 GHz"),
    "time_percent": (TINY, 50.0, "more than 0 and at most 50 %"),
    "location_percent": (50.0, 50.0, "50 %: P.452 knows no spread over locations"),
    "tx_height_m": (TINY, np.inf, "more than 0 m above ground"),
    "rx_height_m": (TINY, np.inf, "more than 0 m above ground"),
    "latitude_deg": (-90.0, 90.0, "-90 .. 90 degrees"),
    "tx_latitude_deg": (-90.0, 90.0, "-90 .. 90 degrees"),
    "rx_latitude_deg": (-90.0, 90.0, "-90 .. 90 degrees"),
    "n0": (TINY, np.inf, "more than 0 N-units"),
    "delta_n": (-np.inf, np.nextafter(157.0, 0.0), "less than 157 N-units/km"),
    "dct_km": (0.0, np.inf, "0 km or more"),
    "dcr_km": (0.0, np.inf, "0 km or more"),
    "pressure_hpa": (TINY, np.inf, "more than 0 hPa"),
    "temperature_c": (np.nextafter(-273.15, 0.0), np.inf, "more than -273.15 degrees Celsius"),
}
ZONE_CODES = {1: COAST_CODE, 2: INLAND_CODE, 3: SEA_CODE}
#: Clutter nearer to a terminal than this does not count, km; a millimetre for rounding.
CLEAR_KM = 0.05
ROUNDING_KM = 1e-6
#: Water vapour in the common volume of troposcatter, g/m3 (clause 4.3).
SCATTER_VAPOUR = 3.0
#: 0 degrees Celsius, K.
KELVIN = 273.15


def loss(
    distance_km: ArrayLike,
    height_m: ArrayLike,
    clutter_m: ArrayLike | None = None,
    *,
    frequency_ghz: ArrayLike,
    tx_height_m: ArrayLike,
    rx_height_m: ArrayLike,
    time_percent: ArrayLike = 50.0,
    location_percent: ArrayLike = 50.0,
    polarisation: ArrayLike = "vertical",
    radio_zone: ArrayLike | None = None,
    delta_n: ArrayLike = 45.0,
    n0: ArrayLike = 325.0,
    latitude_deg: ArrayLike | None = None,
    tx_latitude_deg: ArrayLike | None = None,
    tx_longitude_deg: ArrayLike | None = None,
    rx_latitude_deg: ArrayLike | None = None,
    rx_longitude_deg: ArrayLike | None = None,
    dct_km: ArrayLike = 500.0,
    dcr_km: ArrayLike = 500.0,
    tx_gain_dbi: ArrayLike = 0.0,
    rx_gain_dbi: ArrayLike = 0.0,
    pressure_hpa: ArrayLike = 1013.0,
    temperature_c: ArrayLike = 15.0,
    worst_month: bool = False,
    count: ArrayLike | None = None,
    intermediates: bool = False,
) -> ProfileLoss:
    """Loss by P.452-18 over one or many profiles; see `profile_loss` for the common arguments.

    Parameters
    ----------
    distance_km, height_m, clutter_m
        Profile, (n_point,) or (n_path, n_point); at least 3 points with the terminals.
    frequency_ghz : float or (n_path,) array
        0.1 .. 50.
    tx_height_m, rx_height_m : float or (n_path,) array
        Above ground.
    time_percent : float or (n_path,) array
        0.001 .. 50 of the average year, or of the worst month with `worst_month`.
    location_percent : float or array
        50 alone: the Recommendation knows no spread over locations.
    polarisation : {'vertical', 'horizontal'} or array of them
        Or ``'v'``, ``'h'``, or 2 and 1.
    radio_zone : str, int or array like `height_m`, optional
        ``'sea'``, ``'coastal'``, ``'inland'`` or 3, 1, 2; default all inland.
    delta_n, n0 : float or (n_path,) array
        Defaults 45 N-units/km and 325 N-units.
    latitude_deg : float or (n_path,) array, optional
        Path centre. Or the ends' coordinates; or neither at 50 % of the time, then 45 degrees are
        taken and `why` says so.
    tx_latitude_deg, tx_longitude_deg, rx_latitude_deg, rx_longitude_deg : float or array, optional
    dct_km, dcr_km : float or (n_path,) array
        Distance over land to the coast, default 500; 0 where the terminal's own zone is sea.
    tx_gain_dbi, rx_gain_dbi : float or (n_path,) array
        Antenna gains towards the horizon along the path, default 0. They enter the coupling loss
        of troposcatter only; the result is a basic transmission loss.
    pressure_hpa, temperature_c : float or (n_path,) array
        Default 1013 hPa and 15 degrees Celsius.
    worst_month : bool
        Take `time_percent` as a share of the worst month (clause 3.2.1, step 2).
    count, intermediates
        As in `profile_loss`.

    Returns
    -------
    ProfileLoss
        `sigma_db` is NaN: P.452 states no spread. `intermediates` has the columns of
        `clear_air.DETAIL`; ``lbfs_db`` contains the gases, and ``ldsph50_db`` is the
        spherical-earth loss of the median earth.
    """
    arguments: dict[str, ArrayLike] = {
        "frequency_ghz": frequency_ghz,
        "tx_height_m": tx_height_m,
        "rx_height_m": rx_height_m,
        "time_percent": time_percent,
        "location_percent": location_percent,
        "delta_n": delta_n,
        "n0": n0,
        "dct_km": dct_km,
        "dcr_km": dcr_km,
        "tx_gain_dbi": tx_gain_dbi,
        "rx_gain_dbi": rx_gain_dbi,
        "pressure_hpa": pressure_hpa,
        "temperature_c": temperature_c,
    }
    faults: list[str] = []
    arguments |= latitude_arguments(
        latitude_deg,
        (tx_latitude_deg, tx_longitude_deg, rx_latitude_deg, rx_longitude_deg),
        not_median(time_percent) or worst_month,
        faults,
    )
    cases = prepare(
        distance_km,
        height_m,
        clutter_m,
        radio_zone,
        count,
        arguments,
        polarisation,
        ZONE_CODES,
        POSSIBLE,
        faults,
    )
    finish_cases(cases)
    cases = _clear_terminals(cases)
    valid, why = out_of_range(cases, RANGES)
    why += assumed_latitude(latitude_deg, tx_latitude_deg)
    number = cases.number
    omega = np.zeros(cases.n_path)
    if cases.zone.size:
        ranges = chunks(cases.n_path, N_CHUNK)
        spread(sea_share, ranges, cases.distance_km, cases.zone, cases.points, omega)
    if worst_month:
        month = number["time_percent"]
        number["time_percent"] = annual_percent(month, number["latitude_deg"], omega)
        over = number["time_percent"] > POSSIBLE["time_percent"][1]
        if over.any():
            k = int(over.argmax())
            raise ValueError(
                f"time_percent {month[k]:g} of the worst month is "
                f"{number['time_percent'][k]:.4g} % of the year; the Recommendation ends at 50 %"
            )
    number["gas_db_per_km"], number["gas_scatter_db_per_km"] = _gas(cases, omega)
    gains = number["tx_gain_dbi"] + number["rx_gain_dbi"]
    number["coupling_db"] = 0.051 * np.exp(0.055 * gains)
    number["location_loss_db"] = np.zeros(cases.n_path)
    loss_db, steps = run(cases, True, intermediates)
    sigma = np.full(cases.n_path, np.nan)
    return outcome(cases, loss_db, sigma, valid, why, steps if intermediates else None, None)


def _clear_terminals(cases: Cases) -> Cases:
    """Take away the clutter near the terminals."""
    if not cases.clutter_m.size:
        return cases
    d = cases.distance_km
    row = np.arange(d.shape[0])
    length = d[row, np.broadcast_to(cases.points, row.size) - 1][:, None]
    near = (d < CLEAR_KM - ROUNDING_KM) | (d > length - CLEAR_KM + ROUNDING_KM)
    return cases._replace(clutter_m=np.ascontiguousarray(np.where(near, 0.0, cases.clutter_m)))


def _gas(cases: Cases, omega: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Attenuation by gases along the path and in the common volume of troposcatter, dB/km.

    Cases in equal air are computed once.
    """
    number = cases.number
    air = np.column_stack(
        [number["frequency_ghz"], number["pressure_hpa"], number["temperature_c"] + KELVIN]
    )
    vapour = np.concatenate([7.5 + 2.5 * omega, np.full(cases.n_path, SCATTER_VAPOUR)])
    both = np.column_stack([np.concatenate([air, air]), vapour])
    kind, index = np.unique(both, axis=0, return_inverse=True)
    dry, wet = specific_attenuation(
        kind[:, 0],
        dry_pressure_hpa=kind[:, 1],
        temperature_k=kind[:, 2],
        water_vapour_g_per_m3=kind[:, 3],
    )
    path, scatter = (dry + wet)[index.reshape(2, -1)]
    return path, scatter


def annual_percent(
    worst_month_percent: ArrayLike, latitude_deg: ArrayLike, omega: ArrayLike
) -> FloatArray:
    """Share of the average year that belongs to a share of the worst month, % (equation 1).

    Parameters
    ----------
    worst_month_percent : float or array
        In % of the month.
    latitude_deg : float or array
        Path centre.
    omega : float or array
        Share of the path over sea.
    """
    month = np.asarray(worst_month_percent, dtype=np.float64)
    phi = np.abs(np.asarray(latitude_deg, dtype=np.float64))
    term = np.abs(np.cos(np.radians(2.0 * phi))) ** 0.7
    gain = np.sqrt(np.where(phi <= 45.0, 1.1 + term, 1.1 - term))
    sea = np.asarray(omega, dtype=np.float64)
    lg = (np.log10(month) + np.log10(gain) - 0.186 * sea - 0.444) / (0.816 + 0.078 * sea)
    # the ratio of month to year must not pass 12
    return np.maximum(10.0**lg, month / 12.0)
