"""Gradual cover: demand served from farther away is worth less, as rows by step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.coverage import Coverage

__all__ = ["gradual_coverage"]


def gradual_coverage(
    demand_xy_m: NDArray[np.float64],
    weight: NDArray[np.int64],
    site_xy_m: NDArray[np.float64],
    reach_m: NDArray[np.float64] | list[float],
    worth: NDArray[np.int64] | list[int],
    *,
    existing: NDArray[np.bool_] | None = None,
) -> Coverage:
    """Return a coverage in which demand served from farther away is worth less.

    A row within ``reach_m[k]`` of its nearest chosen site earns ``weight * worth[k]`` (gradual
    covering: Berman, Krass, Drezner 2003, EJOR 151, 474-480). Each step becomes a
    row of its own with the weight ``weight * (worth[k] - worth[k + 1])``, so that
    `maximal_covering` and its certificate serve as they are.

    Parameters
    ----------
    demand_xy_m : (n, 2) float64
    weight : (n,) int64
    site_xy_m : (m, 2) float64
    reach_m : (n_step,) float64
        Growing.
    worth : (n_step,) int64
        Falling whole numbers > 0, e.g. per cent: (100, 60, 20).
    existing : (m,) bool, optional

    Returns
    -------
    Coverage
        With ``n_step * n`` raw rows, step by step.
    """
    reach, earn = np.asarray(reach_m, np.float64), np.asarray(worth)
    if reach.ndim != 1 or reach.shape != earn.shape or not reach.size:
        raise ValueError("reach_m and worth must be lists of one length")
    if not np.issubdtype(earn.dtype, np.integer) or earn.min() <= 0:
        raise ValueError("worth must be whole numbers > 0")
    if (np.diff(reach) <= 0).any() or (np.diff(earn) >= 0).any():
        raise ValueError("reach_m must grow and worth must fall from step to step")
    step = (earn - np.append(earn[1:], 0)).astype(np.int64)
    n = len(demand_xy_m)
    return Coverage.from_radius(
        np.tile(demand_xy_m, (reach.size, 1)),
        np.repeat(step, n) * np.tile(np.asarray(weight), reach.size),
        site_xy_m,
        float(reach.max()),
        existing=existing,
        demand_reach_m=np.repeat(reach, n),
    )
