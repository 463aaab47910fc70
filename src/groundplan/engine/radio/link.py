r"""Link budget: from power and threshold to the distance at which a cell still serves.

The budget is that of the downlink reference signal, per resource element. What may be lost on the
way to a terminal before chance comes in is

.. math:: A = EIRP - RSRP_{min} - L_{body} - M_{interference}

and at distance d the share of terminals above the threshold is a mixture, not a mean:

.. math::

    P(d) = p(d)\, \Phi\Big(\frac{A - L_{LOS}(d) - B}{\sigma_{LOS}}\Big)
         + (1 - p(d))\, \Phi\Big(\frac{A - L_{NLOS}(d) - B}{\sigma_{NLOS}}\Big)

with p the probability of sight. Outdoors B = 0. Indoors B is the wall and 0.5 dB for each metre
behind it, averaged over the depth (the lesser of two even draws), and the spread among buildings
is added to both sigmas in squares. The reach is the largest radius at which the asked share of
the cell's *area* (or of its *edge*) is served: see `reliability`.

Left out: terrain, antenna tilt and sidelobes, the uplink, gains from several servers, and that
neighbouring terminals share sight and shadow.

References
----------
3GPP TR 38.901 V17, clause 7.4.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from groundplan.engine.radio.arguments import above
from groundplan.engine.radio.pathloss import (
    MODELS,
    break_distance_m,
    los_probability,
    model_name,
    path_loss,
)
from groundplan.engine.radio.reliability import disc_mean, largest_radius
from groundplan.engine.radio.tr38901_building import wall_and_room_loss

__all__ = ["Link", "cell_links", "cell_reach", "served_ratio"]

FloatArray = NDArray[np.float64]
#: Points over the depth behind the wall.
DEPTH_POINTS = 8
#: Distance up to which sight is certain under UMa and UMi, m (Table 7.4.2-1).
SURE_SIGHT_M = 18.0


class Link(NamedTuple):
    """What decides whether a terminal at some distance is served.

    Attributes
    ----------
    model : str
        Path loss model, as for `path_loss`.
    frequency_ghz, base_height_m, terminal_height_m : float
    allowed_db : float
        Loss that may come before the threshold is reached, buildings and chance apart, dB.
    building : str
        ``"low"``, ``"high"`` or ``"outdoor"``.
    indoor_ratio : float
        Share of terminals inside a building, 0..1; the rest stands outdoors.
    """

    model: str
    frequency_ghz: float
    base_height_m: float
    terminal_height_m: float
    allowed_db: float
    building: str = "outdoor"
    indoor_ratio: float = 1.0


def served_ratio(
    link: Link, distance_2d_m: ArrayLike, further_loss_db: ArrayLike = 0.0
) -> FloatArray:
    """Return the share of terminals at each distance that are above the threshold.

    Parameters
    ----------
    link : Link
    distance_2d_m : (n,) array
        Ground distance, m; below the model's least distance the loss is taken as there.
    further_loss_db : float or (n,) array
        What else is lost on the way, by terrain for instance.

    Returns
    -------
    (n,) float64
        In 0..1.

    Examples
    --------
    >>> link = Link("UMa", 3.5, 25.0, 1.5, 132.0, "low")
    >>> served_ratio(link, [50.0, 200.0, 800.0]).round(3)
    array([0.999, 0.595, 0.023])
    """
    if not 0.0 <= link.indoor_ratio <= 1.0:
        raise ValueError(f"indoor_ratio must be in 0..1; got {link.indoor_ratio}")
    name = model_name(link.model)
    rules = MODELS[name]
    d = np.atleast_1d(above("distance_2d_m", distance_2d_m, 0.0, is_open=False))
    d = np.maximum(d, rules.distance_m[0])
    radio = (link.frequency_ghz, link.base_height_m, link.terminal_height_m)
    sight = los_probability(name, d, link.terminal_height_m, link.base_height_m)
    node, weight = np.polynomial.legendre.leggauss(DEPTH_POINTS)
    depth = 0.5 * (1.0 + node)
    # the lesser of two even draws has density 2 (1 - t) on 0..1
    chance = weight * (1.0 - depth)
    house = wall_and_room_loss(link.building, link.frequency_ghz, depth * rules.indoor_m)
    allowed_db = link.allowed_db - np.asarray(further_loss_db, dtype=np.float64)
    served = np.zeros(d.shape)
    for is_los, share in ((True, sight), (False, 1.0 - sight)):
        if not share.any():
            continue  # a hall with sight everywhere has no other branch
        branch = path_loss(name, d, *radio, los=is_los)
        left_db = allowed_db - branch.loss_db
        outside = ndtr(left_db / branch.sigma_db)
        spread = np.hypot(branch.sigma_db[:, None], house.sigma_db)
        inside = ndtr((left_db[:, None] - house.entry_db - house.indoor_db) / spread) @ chance
        served += share * ((1.0 - link.indoor_ratio) * outside + link.indoor_ratio * inside)
    return served


def one_reach(
    link: Link, reliability_ratio: float, reliability_kind: str
) -> tuple[float, dict[str, Any]]:
    """Return the reach of one class of cell, and what it was made of."""
    name = model_name(link.model)
    rules = MODELS[name]
    radio = (link.frequency_ghz, link.base_height_m, link.terminal_height_m)
    low_m, high_m = rules.distance_m[0], rules.distance_nlos_max_m
    breaks_m = (SURE_SIGHT_M, break_distance_m(name, *radio))

    def served(d: FloatArray) -> FloatArray:
        return served_ratio(link, d)

    reach_m = largest_radius(
        served, reliability_ratio, low_m, high_m, kind=reliability_kind, breaks_m=breaks_m
    )
    note = {0.0: "below the model's range", high_m: "cut at the end of the model's range"}
    edge_m = np.array([max(reach_m, low_m)])
    # the mean of the lesser of two even draws is a third of their range
    house = wall_and_room_loss(link.building, link.frequency_ghz, rules.indoor_m / 3.0)
    return reach_m, {
        "rule": "downlink reference signal; sight, no sight and buildings each with its own spread",
        "model": name,
        "frequency_ghz": link.frequency_ghz,
        "base_height_m": link.base_height_m,
        "terminal_height_m": link.terminal_height_m,
        "allowed_loss_db": round(link.allowed_db, 3),
        "building": link.building,
        "indoor_ratio": link.indoor_ratio,
        "building_entry_db": round(house.entry_db, 3),
        "indoor_mean_db": round(house.indoor_db, 3),
        "building_sigma_db": house.sigma_db,
        "reliability_kind": reliability_kind,
        "reliability_ratio": reliability_ratio,
        "reach_m": round(reach_m, 1),
        "area_reliability_ratio": round(disc_mean(served, float(edge_m[0]), breaks_m), 4),
        "edge_reliability_ratio": round(float(served(edge_m)[0]), 4),
        "los_probability_at_edge": round(
            float(los_probability(name, edge_m, link.terminal_height_m, link.base_height_m)[0]),
            3,
        ),
        "is_valid": bool(path_loss(name, edge_m, *radio).valid[0]),
        "range_note": note.get(reach_m, ""),
    }


def cell_links(
    *,
    model: ArrayLike,
    frequency_ghz: ArrayLike,
    eirp_dbm: ArrayLike,
    rsrp_min_dbm: ArrayLike,
    building: ArrayLike,
    indoor_ratio: ArrayLike,
    base_height_m: ArrayLike,
    terminal_height_m: ArrayLike,
    body_loss_db: float,
    interference_margin_db: float,
    **_reliability: Any,
) -> list[list[Link]]:
    """Return the link of each (layer, environment); arguments as for `cell_reach`."""
    names, f, eirp, least, houses, inside, hb, hu = np.broadcast_arrays(
        np.atleast_2d(np.asarray(model, dtype=object)),
        np.asarray(frequency_ghz, dtype=np.float64),
        np.asarray(eirp_dbm, dtype=np.float64),
        np.asarray(rsrp_min_dbm, dtype=np.float64),
        np.asarray(building, dtype=object),
        np.asarray(indoor_ratio, dtype=np.float64),
        np.asarray(base_height_m, dtype=np.float64),
        np.asarray(terminal_height_m, dtype=np.float64),
    )
    return [
        [
            Link(
                model=str(names[i, k]),
                frequency_ghz=float(f[i, k]),
                base_height_m=float(hb[i, k]),
                terminal_height_m=float(hu[i, k]),
                allowed_db=float(eirp[i, k] - least[i, k]) - body_loss_db - interference_margin_db,
                building=str(houses[i, k]),
                indoor_ratio=float(inside[i, k]),
            )
            for k in range(names.shape[1])
        ]
        for i in range(names.shape[0])
    ]


def cell_reach(
    *,
    model: ArrayLike,
    frequency_ghz: ArrayLike,
    eirp_dbm: ArrayLike,
    rsrp_min_dbm: ArrayLike,
    building: ArrayLike,
    indoor_ratio: ArrayLike,
    base_height_m: ArrayLike,
    terminal_height_m: ArrayLike,
    reliability_ratio: float,
    reliability_kind: str,
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
        ``"low"``, ``"high"`` or ``"outdoor"``: what stands around terminals inside.
    indoor_ratio : (n_layer, n_environment) array
        Share of terminals inside, 0..1.
    base_height_m, terminal_height_m : (n_layer, n_environment) array
        Antenna heights, m.
    reliability_ratio : float
        Share that must be above the threshold, > 0 and < 1.
    reliability_kind : str
        ``"area"``: share of the cell's area; ``"edge"``: share of its edge.
    body_loss_db, interference_margin_db : float
        dB.

    Returns
    -------
    reach_m : (n_layer, n_environment) float64
        Ground distance; 0 where not even the model's least distance is served, and cut at the end
        of the model's range.
    detail : list of list of dict
        Every term, plain data, with the reliability of both kinds at the reach.

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.
    """
    links = cell_links(
        model=model,
        frequency_ghz=frequency_ghz,
        eirp_dbm=eirp_dbm,
        rsrp_min_dbm=rsrp_min_dbm,
        building=building,
        indoor_ratio=indoor_ratio,
        base_height_m=base_height_m,
        terminal_height_m=terminal_height_m,
        body_loss_db=body_loss_db,
        interference_margin_db=interference_margin_db,
    )
    shape = (len(links), len(links[0]))
    eirp = np.broadcast_to(np.asarray(eirp_dbm, dtype=np.float64), shape)
    least = np.broadcast_to(np.asarray(rsrp_min_dbm, dtype=np.float64), shape)
    reach_m = np.zeros(shape)
    detail: list[list[dict[str, Any]]] = [[] for _ in links]
    for i, k in np.ndindex(*shape):
        budget = {
            "eirp_per_element_dbm": round(float(eirp[i, k]), 3),
            "rsrp_min_dbm": float(least[i, k]),
            "body_loss_db": body_loss_db,
            "interference_margin_db": interference_margin_db,
        }
        reach_m[i, k], terms = one_reach(links[i][k], reliability_ratio, reliability_kind)
        detail[i].append({**terms, **budget})
    return reach_m, detail
