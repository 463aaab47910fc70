"""The check of a certificate from raw geometry, in plain NumPy and by an algorithm of its own.

Who reaches whom is rebuilt from positions and radii: points are sorted into strips, and every site
finds its run of points in each strip by bisection. No number of the solver is used but the prices,
the tiles and the plan.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import (
    DENOMINATOR,
    bound_numerator,
    earned,
    list_differences,
    reduced_scores,
    stated_bounds,
)
from groundplan.engine.location.check_statement import list_certificate_faults
from groundplan.engine.location.check_tiles import check_tiles
from groundplan.engine.location.points import hash_points
from groundplan.engine.problem import Certificate
from groundplan.errors import VerificationError

__all__ = ["verify_radius"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


class Strips:
    """Points of one layer in strips, each strip from west to east.

    Parameters
    ----------
    xy_m : (n, 2) float64
    point : (n,) int
        What to call each point.
    height_m : float
        Of a strip.
    row_reach_m : (n,) float64, optional
        Largest distance at which each point can be reached.
    out : (k,) int64, optional
        Pairs that do not count, ascending, each as ``point * n_site + site``.
    n_site : int
    """

    def __init__(
        self,
        xy_m: FloatArray,
        point: NDArray[np.integer],
        height_m: float,
        row_reach_m: FloatArray | None,
        out: IntArray | None = None,
        n_site: int = 0,
    ) -> None:
        self.out, self.n_site = out, n_site
        self.y0, self.x0 = float(xy_m[:, 1].min()), float(xy_m[:, 0].min())
        self.height = max(height_m, float(np.ptp(xy_m[:, 1])) / 20_000, 1e-9)
        strip = ((xy_m[:, 1] - self.y0) / self.height).astype(np.int64)
        self.top = int(strip.max())
        self.span = float(np.ptp(xy_m[:, 0])) + 1.0
        # one number that grows along a strip and from strip to strip
        place = strip * (2 * self.span) + (xy_m[:, 0] - self.x0)
        order = np.argsort(place, kind="stable")
        self.place, self.point = place[order], point[order]
        self.x, self.y = xy_m[order, 0], xy_m[order, 1]
        self.own = None if row_reach_m is None else row_reach_m[order]

    def pairs(
        self, site_xy_m: FloatArray, radius_m: FloatArray, number: NDArray[np.integer]
    ) -> Iterator[tuple[NDArray[np.integer], NDArray[np.integer]]]:
        """Yield (point, site) pairs within reach, some thousand sites at a time.

        Parameters
        ----------
        site_xy_m : (m, 2) float64
        radius_m : (m,) float64
        number : (m,) int
            What to call each site.
        """
        low = np.floor((site_xy_m[:, 1] - radius_m - self.y0) / self.height).astype(np.int64)
        high = np.floor((site_xy_m[:, 1] + radius_m - self.y0) / self.height).astype(np.int64)
        low, high = np.clip(low, 0, self.top), np.clip(high, 0, self.top)
        step = 4_000
        for a in range(0, len(site_xy_m), step):
            part = slice(a, a + step)
            strips = high[part] - low[part] + 1
            site = np.repeat(np.arange(a, min(a + step, len(site_xy_m))), strips)
            first = np.cumsum(strips) - strips
            line = (low[site] + np.arange(site.size) - np.repeat(first, strips)) * (2 * self.span)
            west = site_xy_m[site, 0] - radius_m[site] - self.x0
            east = site_xy_m[site, 0] + radius_m[site] - self.x0
            # a metre of slack either side: the exact test below decides
            begin = np.searchsorted(self.place, line + np.clip(west - 1, 0, 1.5 * self.span))
            end = np.searchsorted(
                self.place, line + np.clip(east + 1, -1, 1.5 * self.span), side="right"
            )
            run = np.maximum(end - begin, 0)
            pair_site = np.repeat(site, run)
            offset = np.arange(int(run.sum())) - np.repeat(np.cumsum(run) - run, run)
            at = np.repeat(begin, run) + offset
            dx = self.x[at] - site_xy_m[pair_site, 0]
            dy = self.y[at] - site_xy_m[pair_site, 1]
            reach = radius_m[pair_site]
            if self.own is not None:
                reach = np.minimum(reach, self.own[at])
            near = dx * dx + dy * dy <= reach * reach
            points, sites = self.point[at[near]], number[pair_site[near]]
            if self.out is not None and self.out.size:
                pair = points.astype(np.int64) * self.n_site + sites
                place = np.minimum(np.searchsorted(self.out, pair), self.out.size - 1)
                counts = self.out[place] != pair
                points, sites = points[counts], sites[counts]
            yield points, sites


def pair_numbers(
    ruled_out: tuple[IntArray, NDArray[np.int32]], n_row: int, n_site: int
) -> IntArray:
    """Return the pairs that do not count, ascending, as ``row * n_site + site``."""
    indptr, site = ruled_out
    if indptr.shape != (n_row + 1,) or indptr[0] != 0 or indptr[-1] != site.size:
        raise VerificationError("the pairs that are ruled out do not fit the demand rows")
    row = np.repeat(np.arange(n_row), np.diff(indptr))
    return np.sort(row * np.int64(n_site) + site)


def verify_radius(
    demand_xy_m: FloatArray,
    weight: IntArray,
    demand_layer: NDArray[np.int8] | None,
    site_xy_m: FloatArray,
    site_layer: NDArray[np.int8] | None,
    radius_m: FloatArray,
    existing: NDArray[np.bool_],
    *,
    sites: NDArray[np.int32],
    certificate: Certificate,
    cost: IntArray | None = None,
    forbidden: NDArray[np.bool_] | None = None,
    demand_reach_m: FloatArray | None = None,
    ruled_out: tuple[IntArray, NDArray[np.int32]] | None = None,
) -> dict[str, int]:
    """Recompute value and bound from the raw geometry; raise where they differ.

    Parameters
    ----------
    demand_xy_m, weight, demand_layer, site_xy_m, site_layer, radius_m, existing
        As given to `Coverage.from_radius`.
    sites : (n_chosen,) int32
        The plan.
    certificate : Certificate
    cost : (n_site,) int64, optional
        Needed where the certificate is of a budget.
    forbidden : (n_site,) bool, optional
    demand_reach_m : (n_row,) float64, optional
    ruled_out : (indptr, sites), optional
        As given to `Coverage.from_radius`.

    Returns
    -------
    dict
        ``value``, ``base_value``, ``bound``, ``bound_by_prices``.

    Raises
    ------
    VerificationError
        With every difference found.
    """
    n = len(demand_xy_m)
    faults = list_certificate_faults(certificate)
    if faults:
        raise VerificationError(faults)
    price = certificate.prices["row"]
    if price.shape != (n,):
        raise VerificationError(f"{price.size} row prices for {n} demand rows")
    if demand_reach_m is not None and demand_reach_m.shape != (n,):
        raise VerificationError(f"{demand_reach_m.size} reaches for {n} demand rows")
    out = None if ruled_out is None else pair_numbers(ruled_out, n, len(site_xy_m))
    if sites.size and not (sites.min() >= 0 and sites.max() < len(site_xy_m)):
        raise VerificationError("the plan names a site that does not exist")
    candidate = ~existing if forbidden is None else ~existing & ~forbidden
    chosen = np.zeros(len(site_xy_m), bool)
    chosen[sites] = True
    served, gained = np.zeros(n, bool), np.zeros(n, bool)
    reachable = np.zeros(n, bool)
    score = np.zeros(len(site_xy_m), np.int64)
    income = earned(weight, price)
    has_tiles = "tile_loss" in certificate.prices
    degree = np.zeros(n if has_tiles else 0, np.int32)
    layers: list[tuple[Strips, NDArray[np.bool_]]] = []
    for layer in [None] if demand_layer is None else np.unique(demand_layer):
        rows = np.arange(n) if layer is None else np.flatnonzero(demand_layer == layer)
        # half the memory, as long as the numbers fit
        rows = rows.astype(np.int32) if n < 2**31 else rows
        mine = np.ones(len(site_xy_m), bool)
        if layer is not None and site_layer is not None:
            mine = site_layer == layer
        if not rows.size or not mine.any():
            continue
        xy = demand_xy_m if rows.size == n else demand_xy_m[rows]
        own = None if demand_reach_m is None else demand_reach_m[rows]
        height = float(np.median(radius_m[mine])) / 2
        strips = Strips(xy, rows, height, own, out, len(site_xy_m))
        layers.append((strips, mine))
        old, new = np.flatnonzero(mine & existing), np.flatnonzero(mine & ~existing)
        for row, _site in strips.pairs(site_xy_m[old], radius_m[old], old):
            served[row] = True
        for row, site in strips.pairs(site_xy_m[new], radius_m[new], new):
            free = ~served[row]
            at, site_free = row[free], site[free]
            reachable[at] = True
            gained[at[chosen[site_free]]] = True
            np.add.at(score, site_free, income[at])
            if has_tiles:
                np.add.at(degree, at, candidate[site_free])
    base = int(weight[served].sum())
    value = base + int(weight[gained].sum())
    numerator = base * DENOMINATOR + bound_numerator(
        weight, price, reachable, score, candidate, cost, certificate.parameters,
        certificate.prices,
    )  # fmt: skip
    found = list_differences(
        certificate,
        sites,
        input_hash=hash_points(
            demand_xy_m,
            weight,
            demand_layer,
            site_xy_m,
            site_layer,
            radius_m,
            existing,
            demand_reach_m,
            ruled_out,
        ),
        candidate=candidate,
        cost=cost,
        value=value,
        numerator=numerator,
    )
    # the dear part last, and only where all that is cheap holds
    if has_tiles and not found:

        def pairs_of(site: NDArray[np.int32]) -> tuple[IntArray, IntArray]:
            rows, sites_of = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
            for strips, mine in layers:
                here = site[mine[site]]
                for row, of in strips.pairs(site_xy_m[here], radius_m[here], here):
                    free = ~served[row]
                    rows.append(row[free].astype(np.int64))
                    sites_of.append(of[free].astype(np.int64))
            return np.concatenate(rows), np.concatenate(sites_of)

        reduced = reduced_scores(
            score, cost if "budget" in certificate.parameters else None, certificate.prices
        )
        found = check_tiles(
            certificate.prices, candidate, pairs_of, degree, weight * DENOMINATOR, income, reduced
        )
    if found:
        raise VerificationError(found)
    return {"value": value, "base_value": base, **stated_bounds(certificate, numerator)}
