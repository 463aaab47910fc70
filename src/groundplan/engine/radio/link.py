r"""Link budget: from power and threshold to the distance at which a cell still serves.

The budget is that of the downlink reference signal, per resource element:

.. math::

    L_{max} = EIRP - RSRP_{min} - L_{entry} - L_{inside} - L_{body} - M_{interference} - M_{shadow}

and the reach is where the mean path loss of `pathloss` meets :math:`L_{max}`. The shadow margin
is the one with which the asked share of the *area* of the cell is above the threshold, not the
share of its edge: with :math:`a = -M/(\sigma\sqrt 2)` and
:math:`b = 10 n \lg e / (\sigma\sqrt 2)`

.. math::

    F = \tfrac12\Big[1 - \operatorname{erf} a
        + e^{(1 - 2ab)/b^2}\Big(1 - \operatorname{erf}\frac{1 - ab}{b}\Big)\Big]

Left out: terrain, antenna tilt and sidelobes, the uplink, gains from several servers, and the
spread between sight and no sight, which the mean hides; `cell_reach` therefore also reports the
area reliability with both branches apart.

References
----------
Jakes, W. C. (1974), Microwave Mobile Communications, section 2.5.3. 3GPP TR 38.901 V17.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import erfc, erfcx, ndtr

from groundplan.engine.radio.pathloss import (
    MODELS,
    building_entry_loss,
    los_probability,
    model_name,
    path_loss,
)

__all__ = ["area_reliability", "cell_reach", "shadow_margin_db"]

#: Rings of equal area over which the reliability with both branches is averaged.
RING_COUNT = 200
#: Halvings of the search interval: 10 km / 2**40 is far below a micrometre.
BISECTION_STEPS = 40


def area_reliability(margin_db: ArrayLike, sigma_db: ArrayLike, exponent: ArrayLike) -> Any:
    """Return the share of a disc's area above the threshold for a margin at its edge.

    Parameters
    ----------
    margin_db : float or array
        Median level at the edge above the threshold, dB.
    sigma_db : float or array
        Spread of the level, dB, > 0.
    exponent : float or array
        Path loss exponent: ``10 * exponent`` dB a decade, > 0.

    Returns
    -------
    float or array
        In 0..1.

    Examples
    --------
    >>> round(float(area_reliability(0.0, 8.0, 3.5)), 3)
    0.755
    """
    margin = np.asarray(margin_db, dtype=np.float64)
    sigma = np.asarray(sigma_db, dtype=np.float64)
    n = np.asarray(exponent, dtype=np.float64)
    if not (sigma > 0).all():
        raise ValueError(f"sigma_db must be > 0; got {sigma.min()}")
    if not (n > 0).all():
        raise ValueError(f"exponent must be > 0; got {n.min()}")
    a = -margin / (sigma * np.sqrt(2.0))
    b = 10.0 * n * np.log10(np.e) / (sigma * np.sqrt(2.0))
    # exp((1 - 2ab)/b^2) erfc(z) with z = (1 - ab)/b, written so that nothing overflows
    z = (1.0 - a * b) / b
    tail = np.where(
        z > 0.0,
        erfcx(np.maximum(z, 0.0)) * np.exp(-(a**2)),
        np.exp(np.minimum((1.0 - 2.0 * a * b) / b**2, 0.0)) * erfc(np.minimum(z, 0.0)),
    )
    return 0.5 * (erfc(a) + tail)


def shadow_margin_db(reliability_ratio: float, sigma_db: float, exponent: float) -> float:
    """Return the margin at the edge with which the asked share of the area is served.

    Parameters
    ----------
    reliability_ratio : float
        Share of the area, > 0 and < 1.
    sigma_db : float
        Spread of the level, dB, >= 0; without spread the margin is 0.
    exponent : float
        Path loss exponent, > 0.

    Returns
    -------
    float
        dB; negative where less is asked than a bare edge gives.

    Examples
    --------
    >>> round(shadow_margin_db(0.95, 8.0, 3.5), 2)
    8.7
    """
    if not 0.0 < reliability_ratio < 1.0:
        raise ValueError(f"reliability_ratio must be > 0 and < 1; got {reliability_ratio}")
    if sigma_db == 0.0:
        return 0.0
    span_db = 12.0 * sigma_db + 40.0
    return float(
        brentq(
            lambda m: float(area_reliability(m, sigma_db, exponent)) - reliability_ratio,
            -span_db,
            span_db,
            xtol=1e-10,
        )
    )


def branch_reliability(
    name: str,
    reach_m: float,
    median_max_db: float,
    building_sigma_db: float,
    radio: tuple[float, float, float],
) -> float:
    """Return the share of a disc's area served when sight and no sight are kept apart.

    Parameters
    ----------
    median_max_db : float
        Largest loss before any shadow margin, dB.
    building_sigma_db : float
        Spread among buildings, dB.
    radio : (float, float, float)
        Frequency in GHz, base and terminal height in m.

    Returns
    -------
    float
        Mean over rings of equal area.
    """
    d = np.maximum(reach_m * np.sqrt((np.arange(RING_COUNT) + 0.5) / RING_COUNT), 1.0)
    p = los_probability(name, d, radio[2])
    served = np.zeros(RING_COUNT)
    for is_los, share in ((True, p), (False, 1.0 - p)):
        branch = path_loss(name, d, *radio, los=is_los)
        spread = np.hypot(branch.sigma_db, building_sigma_db)
        served += share * ndtr((median_max_db - branch.loss_db) / spread)
    return float(served.mean())


def exponent_of(name: str, base_height_m: float) -> float:
    """Return the path loss exponent without sight, from the model's table."""
    if name.endswith("RMa"):
        return float((43.42 - 3.1 * np.log10(base_height_m)) / 10.0)
    return 3.908 if name.endswith("UMa") else 3.53


def one_reach(
    name: str,
    radio: tuple[float, float, float],
    eirp_dbm: float,
    rsrp_min_dbm: float,
    building: str,
    area_reliability_ratio: float,
    body_loss_db: float,
    interference_margin_db: float,
) -> tuple[float, dict[str, Any]]:
    """Return the reach of one class of cell and every term of its budget."""
    rules = MODELS[name]
    frequency_ghz, base_height_m, terminal_height_m = radio
    # the mean of the lesser of two even draws is a third of their range
    house = building_entry_loss(building, frequency_ghz, rules.indoor_m / 3.0)
    sigma_db = float(np.hypot(rules.sigma_nlos_db, house.sigma_db))
    exponent = exponent_of(name, base_height_m)
    margin_db = shadow_margin_db(area_reliability_ratio, sigma_db, exponent)
    median_max_db = (
        eirp_dbm
        - rsrp_min_dbm
        - house.entry_db
        - house.indoor_db
        - body_loss_db
        - interference_margin_db
    )
    loss_max_db = median_max_db - margin_db
    low_m, high_m = rules.distance_m[0], rules.distance_nlos_max_m
    at_ends = path_loss(name, np.array([low_m, high_m]), *radio)
    if loss_max_db < at_ends.loss_db[0]:
        reach_m, end = 0.0, "below the model's range"
    elif loss_max_db >= at_ends.loss_db[1]:
        reach_m, end = high_m, "cut at the end of the model's range"
    else:
        end = ""
        for _ in range(BISECTION_STEPS):
            middle_m = 0.5 * (low_m + high_m)
            if path_loss(name, middle_m, *radio).loss_db <= loss_max_db:
                low_m = middle_m
            else:
                high_m = middle_m
        reach_m = low_m
    detail = {
        "rule": "downlink reference signal, mean path loss",
        "model": name,
        "frequency_ghz": frequency_ghz,
        "base_height_m": base_height_m,
        "terminal_height_m": terminal_height_m,
        "eirp_per_element_dbm": round(eirp_dbm, 3),
        "rsrp_min_dbm": rsrp_min_dbm,
        "building": building,
        "building_entry_db": round(house.entry_db, 3),
        "indoor_db": round(house.indoor_db, 3),
        "body_loss_db": body_loss_db,
        "interference_margin_db": interference_margin_db,
        "sigma_db": round(sigma_db, 3),
        "exponent": round(exponent, 3),
        "area_reliability_ratio": area_reliability_ratio,
        "shadow_margin_db": round(margin_db, 3),
        "loss_max_db": round(loss_max_db, 3),
        "reach_m": round(reach_m, 1),
        "los_probability_at_edge": round(
            float(los_probability(name, np.asarray(reach_m), terminal_height_m)), 3
        ),
        "area_reliability_branches_ratio": round(
            branch_reliability(name, max(reach_m, 1.0), median_max_db, house.sigma_db, radio), 3
        ),
        "is_valid": bool(path_loss(name, max(reach_m, rules.distance_m[0]), *radio).valid),
        "range_note": end,
    }
    return reach_m, detail


def cell_reach(
    *,
    model: ArrayLike,
    frequency_ghz: ArrayLike,
    eirp_dbm: ArrayLike,
    rsrp_min_dbm: ArrayLike,
    building: ArrayLike,
    base_height_m: ArrayLike,
    terminal_height_m: ArrayLike,
    area_reliability_ratio: float,
    body_loss_db: float,
    interference_margin_db: float,
) -> tuple[NDArray[np.float64], list[list[dict[str, Any]]]]:
    """Return how far a cell of each (layer, environment) serves, with its budget.

    Parameters
    ----------
    model : (n_layer, n_environment) array of str
        Path loss model, as for `path_loss`.
    frequency_ghz : (n_layer, n_environment) array
        Carrier, GHz.
    eirp_dbm : (n_layer, n_environment) array
        Radiated power of one resource element (one subcarrier) in the main beam, dBm: total power
        of the carrier plus antenna gain less ``10 lg(12 n_prb)``.
    rsrp_min_dbm : (n_layer, n_environment) array
        Least received power of one resource element, dBm.
    building : (n_layer, n_environment) array of str
        ``"low"``, ``"high"`` or ``"outdoor"``: where the terminal must be served.
    base_height_m, terminal_height_m : (n_layer, n_environment) array
        Antenna heights, m.
    area_reliability_ratio : float
        Share of the cell's area that must be above the threshold.
    body_loss_db, interference_margin_db : float
        dB.

    Returns
    -------
    reach_m : (n_layer, n_environment) float64
        Ground distance; 0 where not even the model's least distance is served, and cut at the end
        of the model's range.
    detail : list of list of dict
        Every term, plain data; ``area_reliability_branches_ratio`` is the share of the area with
        sight and no sight kept apart, a check on the mean.

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.
    """
    names, f, eirp, least, houses, hb, hu = np.broadcast_arrays(
        np.atleast_2d(np.asarray(model, dtype=object)),
        np.asarray(frequency_ghz, dtype=np.float64),
        np.asarray(eirp_dbm, dtype=np.float64),
        np.asarray(rsrp_min_dbm, dtype=np.float64),
        np.asarray(building, dtype=object),
        np.asarray(base_height_m, dtype=np.float64),
        np.asarray(terminal_height_m, dtype=np.float64),
    )
    reach_m = np.zeros(names.shape)
    detail: list[list[dict[str, Any]]] = []
    for i in range(names.shape[0]):
        row = []
        for k in range(names.shape[1]):
            reach_m[i, k], terms = one_reach(
                model_name(str(names[i, k])),
                (float(f[i, k]), float(hb[i, k]), float(hu[i, k])),
                float(eirp[i, k]),
                float(least[i, k]),
                str(houses[i, k]),
                area_reliability_ratio,
                body_loss_db,
                interference_margin_db,
            )
            row.append(terms)
        detail.append(row)
    return reach_m, detail
