r"""One radial of the terrain sweep: what the loss needs at every receiver, in O(log n) each.

Everything is counted from the mast: distances ``i`` in steps, heights in m above the ground at the
mast, ``a`` = curvature term per squared step, ``g_i = h_i + R_i - a i^2`` = ground with clutter,
lowered by the curve of the earth. With the antenna at height ``t`` and the receiver at ``(n, r)``:

* Slope from the mast to ``i``: ``(g_i - t) / i + a n``. Its maximum ``S`` is a prefix maximum.
* Slope from the receiver: ``(g_i - (r - a n^2)) / (n - i) - a n``. Its maximum ``U`` is the tangent
  to the upper hull of the points ``(i, g_i)``.
* Beyond the horizon (``S >= s = (r - t) / n``) Bullington's point lies where both slopes meet, and
  its knife edge is ``nu^2 = n (S - s) (U + s)`` times ``0.002 / (wavelength x step)``.
* With sight the knife edge is the greatest ``((g_i - t) / i + a n - s) sqrt(n i / (n - i))``, a
  negative number. A point behind one with a greater slope has the larger bracket *and* the larger
  root, so only records of the prefix maximum can win; blocks of records are skipped by a bound
  of the same kind.
* The line of the smooth earth comes from prefix sums, the obstruction over it from the upper hull
  of the bare points ``(i, h_i)``: a tangent, and the vertex where the hull is parallel to the line
  from mast to receiver.

A point becomes an obstacle after it has been a receiver.

References
----------
ITU-R P.1812-8, 4.3.1 (Bullington), 4.3.5 and 5.6.2 (smooth earth).
"""

from __future__ import annotations

import math

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["WIDTH", "sample_radial", "sweep_radial", "walk_rays"]

#: Numbers per point: knife edge, effective heights of mast and terminal, rise of the terminal.
WIDTH = 4
#: Records of the prefix maximum in a block, and in a group of blocks.
BLOCK, GROUP = 8, 32


@jit(error_model="numpy")
def sample_radial(height, clutter, row, col, south, east, n, h, c):
    """Read heights (bilinear) and clutter (nearest) at ``n + 1`` points along a radial.

    Points past the outermost centres take the value at the edge.

    Parameters
    ----------
    height : (n_row, n_col) float32
        Ground, m.
    clutter : (n_row, n_col) float32
        Height of what stands on it, m; of size 0: none.
    row, col : float
        The mast, from the centre of cell (0, 0).
    south, east : float
        Step in rows and columns.
    n : int
        Last point.
    h, c : (> n,) float64
        Outputs; `c` is left alone without clutter.
    """
    n_row, n_col = height.shape
    last_row, last_col = n_row - 1.0, n_col - 1.0
    for i in range(n + 1):
        y = min(max(row + south * i, 0.0), last_row)
        x = min(max(col + east * i, 0.0), last_col)
        r = min(int(y), n_row - 2)
        q = min(int(x), n_col - 2)
        v = y - r
        u = x - q
        top = height[r, q] * (1.0 - u) + height[r, q + 1] * u
        low = height[r + 1, q] * (1.0 - u) + height[r + 1, q + 1] * u
        h[i] = top * (1.0 - v) + low * v
    if clutter.size:
        for i in range(n + 1):
            y = min(max(row + south * i, 0.0), last_row)
            x = min(max(col + east * i, 0.0), last_col)
            c[i] = clutter[int(y + 0.5), int(x + 0.5)]


@jit(error_model="numpy", inline="always")
def find_tangent(px, py, slope, n, start, x, y):
    """Return the vertex of an upper hull at which the tangent from a point to its right touches.

    A vertex lies behind the tangent where the point is on or above the line of the edge before it;
    this holds for all vertices from some place on. The search gallops from a guess.

    Parameters
    ----------
    px, py, slope : (> n,) float64
        Vertices, and the slope of the edge that ends at each; that of the first is not read.
    n : int
        Vertices, >= 1.
    start : int
        Guess.
    x, y : float
        The point, right of every vertex.
    """
    k = min(start, n - 1)
    step = 1
    if k > 0 and y - py[k] >= slope[k] * (x - px[k]):
        high = k
        k -= 1
        while k > 0 and y - py[k] >= slope[k] * (x - px[k]):
            high = k
            step += step
            k = max(k - step, 0)
    else:
        high = k + 1
        while high < n and y - py[high] < slope[high] * (x - px[high]):
            k = high
            step += step
            high = min(high + step, n)
    while high - k > 1:
        m = (k + high) >> 1
        if y - py[m] >= slope[m] * (x - px[m]):
            high = m
        else:
            k = m
    return k


@jit(error_model="numpy")
def sweep_radial(
    h, c, has_clutter, n, first, stride, a, t, terminal, nu_least, per_root, inverse, work, out, at
):
    """Walk along one radial and write the geometry of every `stride`-th point from `first` to `n`.

    Parameters
    ----------
    h, c : (> n,) float64
        Ground and clutter at the points, m; ``h[0]`` is the mast.
    has_clutter : bool
        Whether `c` counts.
    n, first : int
        Last point, and first receiver, >= 2.
    stride : int
        Receivers are `first`, ``first + stride`` and so on; every point obstructs.
    a : float
        Curvature, m per squared step.
    t, terminal : float
        Antenna and terminal above ground, m.
    nu_least : float
        Knife edges below ``-nu_least`` (m per root step) are written as that: they lose nothing.
    per_root : float
        One over the root of the step in km: turns knife edges to m per root km.
    inverse : (> n,) float64
        ``1 / i``; the first entry is not read.
    work : (8, > n) float64
        Room for hulls and records.
    out : (n_point, WIDTH) float32 or float64
        Output: knife edge (m per root km), effective heights of mast and terminal (m), rise from
        antenna to terminal (m).
    at : int
        Row of `out` that takes receiver `first`.
    """
    gx, gy, gs = work[0], work[1], work[2]  # hull with clutter and curve: place, height, edge slope
    fx, fy, fs = work[3], work[4], work[5]  # hull of the bare ground
    rx, rs = work[6], work[7]  # records: place, slope
    n_g, n_f, n_r = 0, 0, 0
    at_g, at_f = 0, 0  # last tangents
    top_g, top_f = -1e18, -1e18
    sum1, sum2 = 0.0, 0.0
    floor = nu_least * nu_least
    h0 = h[0]
    before = 0.0
    turn = first
    for i in range(1, n + 1):
        x = float(i)
        here = h[i] - h0
        sum1 += here + before
        sum2 += here * (3.0 * x - 1.0) + before * (3.0 * x - 2.0)
        before = here
        if i == turn:
            turn += stride
            r = here + terminal
            line = (r - t) * inverse[i]
            lift = a * x
            reach = top_g + lift - line
            if reach >= 0.0:
                # beyond the horizon: tangent from the receiver to the hull
                y = r - lift * x
                k = find_tangent(gx, gy, gs, n_g, at_g, x, y)
                at_g = k
                back = (gy[k] - y) * inverse[i - int(gx[k])] - lift
                nu = math.sqrt(max(x * reach * (back + line), 0.0))
            else:
                s = lift - line
                best = floor * inverse[i]
                high = n_r
                group = (n_r - 1) // GROUP * GROUP
                while group >= 0:
                    b = rs[high - 1] + s
                    if b * b * rx[group] < best * (x - rx[group]):
                        low = (high - 1) // BLOCK * BLOCK
                        while low >= group:
                            b = rs[high - 1] + s
                            if b * b * rx[low] < best * (x - rx[low]):
                                for m in range(low, high):
                                    b = rs[m] + s
                                    q = b * b * rx[m] * inverse[i - int(rx[m])]
                                    best = min(best, q)
                            high = low
                            low -= BLOCK
                    high = group
                    group -= GROUP
                nu = -math.sqrt(best * x)
            mast_foot = (2.0 * sum1 * x - sum2) * inverse[i] * inverse[i]
            foot = (sum2 - sum1 * x) * inverse[i] * inverse[i]
            over_t = top_f - line
            if over_t > 0.0:
                k = find_tangent(fx, fy, fs, n_f, at_f, x, r)
                at_f = k
                over_r = (fy[k] - r) * inverse[i - int(fx[k])] + line
                # the vertex highest over the line stands between mast and tangent
                step = 1
                high = k + 1
                while k > 0 and fs[k] <= line:
                    high = k
                    step += step
                    k = max(k - step, 0)
                while high - k > 1:
                    m = (k + high) >> 1
                    if fs[m] <= line:
                        high = m
                    else:
                        k = m
                over = fy[k] - t - line * fx[k]
                share = over / (over_t + over_r)
                mast_foot -= share * over_t
                foot -= share * over_r
            out[at, 0] = nu * per_root
            out[at, 1] = t - min(mast_foot, 0.0)
            out[at, 2] = r - min(foot, here)
            out[at, 3] = r - t
            at += 1
        # the point becomes an obstacle
        g = here - a * x * x
        if has_clutter:
            g += c[i]
        s = (g - t) * inverse[i]
        if s > top_g:
            top_g = s
            rx[n_r] = x
            rs[n_r] = s
            n_r += 1
        top_f = max(top_f, (here - t) * inverse[i])
        k = n_g - 1
        while k > 0 and g - gy[k] >= gs[k] * (x - gx[k]):
            k -= 1
        if k >= 0:
            gs[k + 1] = (g - gy[k]) * inverse[i - int(gx[k])]
        n_g = k + 1
        gx[n_g] = x
        gy[n_g] = g
        n_g += 1
        k = n_f - 1
        while k > 0 and here - fy[k] >= fs[k] * (x - fx[k]):
            k -= 1
        if k >= 0:
            fs[k + 1] = (here - fy[k]) * inverse[i - int(fx[k])]
        n_f = k + 1
        fx[n_f] = x
        fy[n_f] = here
        n_f += 1


@jit(error_model="numpy")
def walk_rays(lo, hi, height, clutter, place, first, last, offset, stride, law, out):
    """Walk radials ``lo .. hi - 1`` and write the geometry of their receivers.

    Parameters
    ----------
    lo, hi : int
        Range of radials.
    height, clutter : (n_row, n_col) float32
        Terrain, m; `clutter` of size 0: none.
    place : (3,) float64
        Row and column of the mast from the centre of cell (0, 0); cells per step.
    first, last, offset : arrays
        Of `polar.Rays`.
    stride : int
        Steps between receivers.
    law : (5,) float64
        Curvature (m per squared step), antenna and terminal height (m), least knife edge (m per
        root step), one over the root of the step in km.
    out : (n_point, WIDTH) float32 or float64
        Output.
    """
    n_radial = first.size
    most = 0
    for k in range(lo, hi):
        most = max(most, last[k])
    h, c = np.zeros(most + 2), np.zeros(most + 2)
    work = np.zeros((8, most + 2))
    inverse = np.zeros(most + 2)
    for i in range(1, most + 2):
        inverse[i] = 1.0 / i
    for k in range(lo, hi):
        if last[k] < first[k]:
            continue
        theta = 2.0 * math.pi * k / n_radial
        sample_radial(
            height,
            clutter,
            place[0],
            place[1],
            -math.cos(theta) * place[2],
            math.sin(theta) * place[2],
            last[k],
            h,
            c,
        )
        sweep_radial(
            h,
            c,
            clutter.size > 0,
            last[k],
            first[k],
            stride,
            law[0],
            law[1],
            law[2],
            law[3],
            law[4],
            inverse,
            work,
            out,
            offset[k],
        )
