r"""What ITM (Longley-Rice) reads from a terrain profile: horizons, roughness, effective heights.

Symbols: ``h[i]`` height of the ground at ``i * xi``, ``i = 0 .. np``, m; ``a`` radius of the
effective earth, m; ``hg`` height of an antenna above ground, m; ``he`` its effective height, m.
Of both ends, 0 is the transmitter and 1 the receiver.

* Horizon of an end: the point seen under the greatest elevation angle,
  :math:`\theta = \max_i \big((h_i - z)/d_i - d_i/2a\big)` with z the height of the antenna above
  the sea; where no point rises above the other antenna, that antenna is the horizon.
* Roughness ``delta_h``: 10 % to 90 % range of the heights about their straight line, between a
  tenth of either horizon distance (at most 15 antenna heights) and the ends, scaled to an
  unlimited path by :math:`1 - 0.8 e^{-d/50 km}`.
* Effective height: ``hg`` plus what the ground at the antenna rises above the line fitted to the
  part of the profile that the antenna overlooks.

References
----------
Hufford, G. A., Longley, A. G., Kissick, W. A. (1982), A guide to the use of the ITS irregular
terrain model in the area prediction mode, NTIA report 82-100. The interpretation follows the
reference implementation of NTIA, whose creation is acknowledged; written anew, 2026.
"""

from __future__ import annotations

from math import exp, sqrt

from groundplan.engine._jit import jit

__all__ = [
    "MAX_SAMPLES",
    "SLOTS",
    "fit_line",
    "horizons",
    "profile_geometry",
    "roughness",
    "select",
    "smooth_angle",
    "smooth_horizon",
    "tails",
]

#: Most samples that the roughness is taken from: ``10 * 25 - 5``.
MAX_SAMPLES = 245
#: Slots that samples are counted into: about as many as samples.
SLOTS = 256
#: Heights that differ by less are level, m.
TINY = 1e-9


@jit
def select(x, lo, hi, k):
    """Reorder ``x[lo:hi + 1]`` so that ``x[k]`` is its k-th value and no smaller one follows it.

    Parameters
    ----------
    x : (n,) float64
        Changed in place.
    lo, hi, k : int
        ``lo <= k <= hi``.

    Returns
    -------
    float
        The value at `k`.
    """
    while lo < hi:
        pivot = x[(lo + hi) >> 1]
        i, j = lo, hi
        while i <= j:
            while x[i] < pivot:
                i += 1
            while pivot < x[j]:
                j -= 1
            if i <= j:
                x[i], x[j] = x[j], x[i]
                i += 1
                j -= 1
        if k <= j:
            hi = j
        elif k >= i:
            lo = i
        else:
            break
    return x[k]


@jit
def fit_line(h, n_step, start, end):
    """Fit a straight line to part of a profile; return its heights at both ends of the whole.

    Parameters
    ----------
    h : (n_point,) float64
        Heights, m; the profile has ``n_step + 1`` of them.
    n_step : int
        Steps of the whole profile.
    start, end : float
        Part to fit, in steps.

    Returns
    -------
    first, last : float
        Height of the line at step 0 and at step ``n_step``, m.
    """
    i0 = int(max(start, 0.0))
    i1 = n_step - int(max(n_step - end, 0.0))
    if i1 <= i0:
        # the part is shorter than a step: widen it to both sides as far as the profile goes
        i0 = max(i0 - 1, 0)
        i1 = n_step - max(n_step - (i1 + 1), 0)
    length = float(i1 - i0)
    offset = -0.5 * length
    centre = i1 + offset
    total = 0.5 * (h[i0] + h[i1])
    moment = 0.5 * (h[i0] - h[i1]) * offset
    for i in range(i0 + 1, i1):
        offset += 1.0
        total += h[i]
        moment += h[i] * offset
    mean = total / length
    slope = moment * 12.0 / ((length * length + 2.0) * length)
    return mean - slope * centre, mean + slope * (n_step - centre)


@jit
def tails(x, n, k, low, high, near, far, slot):
    """Return the k-th smallest and the k-th largest of ``x[:n]``.

    Values are counted into slots of equal width, so that sorting is left to the few that share a
    slot with an answer.

    Parameters
    ----------
    x : (>= n,) float64
        Unchanged.
    n, k : int
        ``1 <= k <= n``.
    low, high : float
        Least and greatest value.
    near, far : (>= n,) float64
        Scratch.
    slot : (SLOTS + n,) int64
        Scratch.

    Returns
    -------
    float, float
        Exactly the values that sorting would give.
    """
    scale = (SLOTS - 1) / max(high - low, TINY)
    for j in range(SLOTS):
        slot[j] = 0
    for j in range(n):
        at = int((x[j] - low) * scale)
        slot[SLOTS + j] = at
        slot[at] += 1
    first, before = 0, 0
    while before + slot[first] < k:
        before += slot[first]
        first += 1
    last, after = SLOTS - 1, 0
    while after + slot[last] < k:
        after += slot[last]
        last -= 1
    n_near = n_far = 0
    for j in range(n):
        at = slot[SLOTS + j]
        if at == first:
            near[n_near] = x[j]
            n_near += 1
        if at == last:
            far[n_far] = x[j]
            n_far += 1
    return (
        select(near, 0, n_near - 1, k - 1 - before),
        select(far, 0, n_far - 1, n_far - k + after),
    )


@jit
def roughness(h, n_step, step_m, start_m, end_m, work, slot):
    """Return the terrain irregularity ``delta_h`` between two distances, m.

    Parameters
    ----------
    h : (n_point,) float64
        Heights, m.
    n_step : int
        Steps of the profile.
    step_m : float
        Length of a step, m.
    start_m, end_m : float
        Part of the path that counts, m.
    work : (3, MAX_SAMPLES) float64
        Scratch.
    slot : (SLOTS + MAX_SAMPLES,) int64
        Scratch.

    Returns
    -------
    float
        >= 0; 0 where the part is shorter than two steps.
    """
    start = start_m / step_m
    span = end_m / step_m - start
    if span < 2.0:
        return 0.0
    tenth = min(max(int(0.1 * (span + 8.0)), 4), 25)
    n = 10 * tenth - 5
    stride = span / (n - 1)
    sample = work[0]
    for j in range(n):
        at = start + j * stride
        i = min(int(at), n_step - 1)
        sample[j] = h[i] + (h[i + 1] - h[i]) * (at - i)
    first, last = fit_line(sample, n - 1, 0.0, n - 1.0)
    slope = (last - first) / (n - 1)
    low = high = sample[0] - first
    for j in range(n):
        left = sample[j] - (first + slope * j)
        sample[j] = left
        low = min(low, left)
        high = max(high, left)
    below, above = tails(sample, n, tenth, low, high, work[1], work[2], slot)
    if above - below < TINY:
        # level but for rounding, which the square root of a roughness near 0 would blow up
        return 0.0
    return (above - below) / (1.0 - 0.8 * exp(-(end_m - start_m) / 50e3))


@jit
def horizons(h, n_step, step_m, inverse, curvature, tx_m, rx_m):
    """Return elevation angle and distance of both ends' radio horizons.

    Parameters
    ----------
    h : (n_point,) float64
        Heights, m.
    n_step, step_m
        As for `roughness`.
    inverse : (>= n_step,) float64
        ``1 / i``, shared by all profiles, so that the loop needs no division.
    curvature : float
        Of the effective earth, 1/m.
    tx_m, rx_m : float
        Antenna heights above ground, m.

    Returns
    -------
    angle_tx, angle_rx : float
        rad.
    distance_tx, distance_rx : float
        m.
    """
    z_tx = h[0] + tx_m
    z_rx = h[n_step] + rx_m
    bend = 0.5 * curvature * step_m * step_m
    # both angles times the step length; the line of sight between the antennas comes first
    best_tx = (z_rx - z_tx) * inverse[n_step] - bend * n_step
    best_rx = (z_tx - z_rx) * inverse[n_step] - bend * n_step
    # summed step by step like the reference, because shares of these distances are cut to whole
    # steps later, and a last bit can move such a cut by one
    at_tx = at_rx = to_rx = n_step * step_m
    at = 0.0
    for i in range(1, n_step):
        k = n_step - i
        at += step_m
        to_rx -= step_m
        seen_tx = (h[i] - z_tx) * inverse[i] - bend * i
        seen_rx = (h[i] - z_rx) * inverse[k] - bend * k
        if seen_tx > best_tx:
            best_tx = seen_tx
            at_tx = at
        if seen_rx > best_rx:
            best_rx = seen_rx
            at_rx = to_rx
    return best_tx / step_m, best_rx / step_m, at_tx, at_rx


@jit
def smooth_horizon(height_m, curvature, delta_h):
    """Return an end's distance to the horizon over ground as rough as `delta_h`, m.

    Parameters
    ----------
    height_m : float
        Effective antenna height, m.
    curvature : float
        Of the effective earth, 1/m.
    delta_h : float
        Terrain irregularity, m.
    """
    smooth = sqrt(2.0 * height_m / curvature)
    return smooth * exp(-0.07 * sqrt(delta_h / max(height_m, 5.0)))


@jit
def smooth_angle(height_m, curvature, delta_h, horizon_m):
    """Return an end's elevation angle to its estimated horizon, rad.

    Parameters
    ----------
    height_m, curvature, delta_h
        As for `smooth_horizon`.
    horizon_m : float
        Distance of the horizon, m.
    """
    smooth = sqrt(2.0 * height_m / curvature)
    return (0.65 * delta_h * (smooth / horizon_m - 1.0) - 2.0 * height_m) / smooth


@jit
def profile_geometry(h, n_step, step_m, inverse, curvature, tx_m, rx_m, work, slot):
    """Return all that the attenuation needs to know of a profile.

    Parameters
    ----------
    h, n_step, step_m, inverse, curvature, tx_m, rx_m
        As for `horizons`.
    work, slot
        As for `roughness`.

    Returns
    -------
    angle_tx, angle_rx : float
        Elevation angle to the horizon, rad.
    horizon_tx, horizon_rx : float
        Distance to the horizon, m.
    effective_tx, effective_rx : float
        Effective antenna height, m.
    delta_h : float
        Terrain irregularity, m.
    """
    d = n_step * step_m
    angle_tx, angle_rx, horizon_tx, horizon_rx = horizons(
        h, n_step, step_m, inverse, curvature, tx_m, rx_m
    )
    start_m = min(15.0 * tx_m, 0.1 * horizon_tx)
    end_m = d - min(15.0 * rx_m, 0.1 * horizon_rx)
    delta_h = roughness(h, n_step, step_m, start_m, end_m, work, slot)
    if horizon_tx + horizon_rx > 1.5 * d:
        # well inside the line of sight: one line for the whole path, horizons estimated from it
        first, last = fit_line(h, n_step, start_m / step_m, end_m / step_m)
        effective_tx = tx_m + max(h[0] - first, 0.0)
        effective_rx = rx_m + max(h[n_step] - last, 0.0)
        horizon_tx = smooth_horizon(effective_tx, curvature, delta_h)
        horizon_rx = smooth_horizon(effective_rx, curvature, delta_h)
        both = horizon_tx + horizon_rx
        if both <= d:
            # the path is known to be in sight, so raise the antennas until the estimate says so
            q = (d / both) * (d / both)
            effective_tx *= q
            effective_rx *= q
            horizon_tx = smooth_horizon(effective_tx, curvature, delta_h)
            horizon_rx = smooth_horizon(effective_rx, curvature, delta_h)
        angle_tx = smooth_angle(effective_tx, curvature, delta_h, horizon_tx)
        angle_rx = smooth_angle(effective_rx, curvature, delta_h, horizon_rx)
    else:
        first, _ = fit_line(h, n_step, start_m / step_m, 0.9 * horizon_tx / step_m)
        _, last = fit_line(h, n_step, (d - 0.9 * horizon_rx) / step_m, end_m / step_m)
        effective_tx = tx_m + max(h[0] - first, 0.0)
        effective_rx = rx_m + max(h[n_step] - last, 0.0)
    return angle_tx, angle_rx, horizon_tx, horizon_rx, effective_tx, effective_rx, delta_h
