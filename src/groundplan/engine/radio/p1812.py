r"""ITU-R P.1812-8: path loss over terrain for terrestrial point-to-area services, 30 MHz to 6 GHz.

The loss not exceeded for ``p`` % of the time at ``pL`` % of the locations:

    Lb = max(Lb0p, Lbc - I(pL / 100) sigmaL)

with ``Lbc`` the blend of line of sight, diffraction, ducting and troposcatter (`clear_air`),
``Lb0p`` the free-space loss with focusing, ``I`` the inverse normal distribution, and ``sigmaL``
the spread over locations of clause 4.7, ``(0.52 + 0.024 f) w^0.28 u(h)``, for squares of width
``w``. Field strength for 1 kW e.r.p.: ``E = 199.36 + 20 lg f - Lb``.

Representative clutter heights raise the points between the terminals in the Bullington
construction and tell ``u(h)`` at the receiver; never add another clutter loss to it.

Left out: building entry (clause 4.8; see P.2109), and the maps of DN and N0, which may not be
passed on: they are arguments here.

Accuracy: the 63 validation cases of ITU-R working party 3M within 1e-6 dB.

References
----------
Recommendation ITU-R P.1812-8 (09/2025). Interpretation where the text is open: Py1812 (I.
Stevanovic, OFCOM), whose notice stands in the benchmark's licence file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from groundplan.engine.radio.clear_air import inverse_normal
from groundplan.engine.radio.profile import ProfileLoss
from groundplan.engine.radio.profile_cases import (
    Cases,
    FloatArray,
    centre_latitude_deg,
    out_of_range,
    prepare,
    run,
)
from groundplan.engine.radio.profile_geometry import COAST_CODE, INLAND_CODE, SEA_CODE

__all__ = ["NAME", "RANGES", "loss"]

NAME = "ITU-R P.1812-8"
#: Ranges that the Recommendation states (clause 1, Table 1); outside them `valid` is False.
RANGES: dict[str, tuple[float, float]] = {
    "frequency_ghz": (0.03, 6.0),
    "time_percent": (1.0, 50.0),
    "location_percent": (1.0, 99.0),
    "tx_height_m": (1.0, 3000.0),
    "rx_height_m": (1.0, 3000.0),
    "distance_km": (0.25, 3000.0),
    "latitude_deg": (-80.0, 80.0),
}
#: What no formula of the Recommendation can take.
TINY = 5e-324
POSSIBLE: dict[str, tuple[float, float, str]] = {
    "frequency_ghz": (TINY, np.inf, "more than 0 GHz"),
    "time_percent": (TINY, 50.0, "more than 0 and at most 50 %"),
    "location_percent": (TINY, np.nextafter(100.0, 0.0), "more than 0 and less than 100 %"),
    "tx_height_m": (TINY, np.inf, "more than 0 m above ground"),
    "rx_height_m": (TINY, np.inf, "more than 0 m above ground"),
    "latitude_deg": (-90.0, 90.0, "-90 .. 90 degrees"),
    "tx_latitude_deg": (-90.0, 90.0, "-90 .. 90 degrees"),
    "rx_latitude_deg": (-90.0, 90.0, "-90 .. 90 degrees"),
    "n0": (TINY, np.inf, "more than 0 N-units"),
    "delta_n": (-np.inf, np.nextafter(157.0, 0.0), "less than 157 N-units/km"),
    "dct_km": (0.0, np.inf, "0 km or more"),
    "dcr_km": (0.0, np.inf, "0 km or more"),
    "location_sigma_db": (0.0, np.inf, "0 dB or more"),
    "resolution_m": (TINY, np.inf, "more than 0 m"),
}
ZONE_CODES = {1: SEA_CODE, 3: COAST_CODE, 4: INLAND_CODE}
#: Path centre where no latitude is given, at 50 % of the time only; `why` then says so. There it
#: enters through ducting alone: seldom, but far beyond the horizon by up to tens of dB.
LATITUDE_DEG = 45.0
ASSUMED = f"latitude_deg was not given: {LATITUDE_DEG:g} degrees taken"


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
    location_sigma_db: ArrayLike | None = None,
    resolution_m: ArrayLike = 100.0,
    smooth_by_formula: bool = False,
    count: ArrayLike | None = None,
    intermediates: bool = False,
) -> ProfileLoss:
    """Loss by P.1812-8 over one or many profiles; see `profile_loss` for the common arguments.

    Parameters
    ----------
    distance_km, height_m, clutter_m
        Profile, (n_point,) or (n_path, n_point); at least 3 points with the terminals.
    frequency_ghz : float or (n_path,) array
        0.03 .. 6.
    tx_height_m, rx_height_m : float or (n_path,) array
        1 .. 3000 above ground. Antennas below the clutter around them are allowed.
    time_percent : float or (n_path,) array
        1 .. 50, default 50.
    location_percent : float or (n_path,) array
        1 .. 99, default 50.
    polarisation : {'vertical', 'horizontal'} or array of them
        Or ``'v'``, ``'h'``, or 2 and 1.
    radio_zone : str, int or array like `height_m`, optional
        ``'sea'``, ``'coastal'``, ``'inland'`` or 1, 3, 4; default all inland.
    delta_n, n0 : float or (n_path,) array
        Defaults 45 N-units/km and 325 N-units, those of Py1812's examples.
    latitude_deg : float or (n_path,) array, optional
        Path centre. Or the ends' coordinates; or neither at 50 % of the time, then 45 degrees are
        taken and `why` says so.
    tx_latitude_deg, tx_longitude_deg, rx_latitude_deg, rx_longitude_deg : float or array, optional
    dct_km, dcr_km : float or (n_path,) array
        Default 500; 0 where the terminal's own zone is sea.
    location_sigma_db : float or (n_path,) array, optional
        Spread over locations; default that of clause 4.7. The Recommendation gives 5.5 dB for
        digital broadcasting. A receiver at sea has none.
    resolution_m : float or (n_path,) array
        Width of the squares over which locations vary, default 100 m.
    smooth_by_formula : bool
        Take the Bullington loss of the smooth earth by the formula of attachment 4 instead of over
        the samples of the profile; False as in the main text.
    count, intermediates
        As in `profile_loss`.

    Returns
    -------
    ProfileLoss
        With `field_strength_dbuvm` for 1 kW e.r.p. `intermediates` has the columns of
        `clear_air.DETAIL`; ``lbulla_db``, ``lbulls_db`` and ``ldsph_db`` are those of the
        effective earth exceeded for b0 of the time, the ones with ``50`` of the median earth.
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
        "resolution_m": resolution_m,
    }
    if location_sigma_db is not None:
        arguments["location_sigma_db"] = location_sigma_db
    faults: list[str] = []
    arguments |= latitude_arguments(
        latitude_deg,
        (tx_latitude_deg, tx_longitude_deg, rx_latitude_deg, rx_longitude_deg),
        not_median(time_percent),
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
    sigma = _location_sigma(cases)
    number = cases.number
    percent = number["location_percent"]
    deviate = np.array([inverse_normal(x / 100.0) for x in np.unique(percent)])
    number["location_loss_db"] = -deviate[np.searchsorted(np.unique(percent), percent)] * sigma
    zero = np.broadcast_to(0.0, cases.n_path)
    for name in ("gas_db_per_km", "gas_scatter_db_per_km", "coupling_db"):
        number[name] = zero
    loss_db, steps = run(cases, False, intermediates, smooth_by_formula)
    field = 199.36 + 20.0 * np.log10(number["frequency_ghz"]) - loss_db
    valid, why = out_of_range(cases, RANGES)
    why += assumed_latitude(latitude_deg, tx_latitude_deg)
    return outcome(cases, loss_db, sigma, valid, why, steps if intermediates else None, field)


def not_median(time_percent: ArrayLike) -> bool:
    """Tell whether any case is of another possible share of the time than 50 %."""
    share = np.asarray(time_percent)
    return share.dtype.kind in "iuf" and bool(((share > 0.0) & (share < 50.0)).any())


def latitude_arguments(
    latitude_deg: ArrayLike | None,
    ends: tuple[ArrayLike | None, ArrayLike | None, ArrayLike | None, ArrayLike | None],
    is_needed: bool,
    faults: list[str],
) -> dict[str, ArrayLike]:
    """Choose between the centre's latitude, the ends' coordinates and the default."""
    names = ("tx_latitude_deg", "tx_longitude_deg", "rx_latitude_deg", "rx_longitude_deg")
    told = {name: end for name, end in zip(names, ends, strict=True) if end is not None}
    if latitude_deg is not None:
        if told:
            faults.append(f"give latitude_deg or the ends' coordinates, not both; got {told}")
        return {"latitude_deg": latitude_deg}
    if told:
        missing = sorted(set(names) - set(told))
        if missing:
            faults.append(f"the ends' coordinates lack {', '.join(missing)}")
        return told
    if is_needed:
        faults.append(
            "latitude_deg or the ends' coordinates must be given for time percentages other than "
            "50 and for the worst month: the incidence of ducts depends on it"
        )
    return {"latitude_deg": LATITUDE_DEG}


def assumed_latitude(*told: ArrayLike | None) -> tuple[str, ...]:
    """Say it where the default latitude stands in for one that was not given."""
    return () if any(latitude is not None for latitude in told) else (ASSUMED,)


def finish_cases(cases: Cases) -> None:
    """Fill in the centre's latitude, and the coast distances of terminals at sea."""
    number = cases.number
    if "latitude_deg" not in number:
        number["latitude_deg"] = centre_latitude_deg(
            number["tx_latitude_deg"],
            number["tx_longitude_deg"],
            number["rx_latitude_deg"],
            number["rx_longitude_deg"],
            cases.length_km,
        )
    if cases.zone.size:
        at_sea = cases.at_transmitter(cases.zone) == SEA_CODE
        number["dct_km"] = np.where(at_sea, 0.0, number["dct_km"])
        at_sea = cases.at_receiver(cases.zone) == SEA_CODE
        number["dcr_km"] = np.where(at_sea, 0.0, number["dcr_km"])


def _location_sigma(cases: Cases) -> FloatArray:
    """Return the standard deviation over locations, dB (clause 4.7); none for a receiver at sea."""
    number = cases.number
    if "location_sigma_db" in number:
        sigma = number["location_sigma_db"]
    else:
        clutter = cases.at_receiver(cases.clutter_m) if cases.clutter_m.size else 0.0
        above = np.clip(1.0 - (number["rx_height_m"] - clutter) / 10.0, 0.0, 1.0)
        spread = 0.52 + 0.024 * number["frequency_ghz"]
        sigma = spread * number["resolution_m"] ** 0.28 * above
    if cases.zone.size:
        sigma = np.where(cases.at_receiver(cases.zone) == SEA_CODE, 0.0, sigma)
    return np.asarray(sigma, dtype=np.float64)


def outcome(
    cases: Cases,
    loss_db: FloatArray,
    sigma_db: FloatArray,
    valid: Any,
    why: tuple[str, ...],
    steps: dict[str, FloatArray] | None,
    field: FloatArray | None,
) -> ProfileLoss:
    """Wrap the arrays; one profile with single numbers gives plain numbers."""
    if not cases.is_single:
        return ProfileLoss(loss_db, np.array(sigma_db), valid, steps, field, why)
    return ProfileLoss(
        float(loss_db[0]),
        float(sigma_db[0]),
        bool(valid[0]),
        None if steps is None else {name: float(value[0]) for name, value in steps.items()},
        None if field is None else float(field[0]),
        why,
    )
