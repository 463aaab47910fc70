r"""Random access of many devices to one cell: preambles, collisions, grants, back-off.

Devices come during a window, evenly or as a Beta(3, 4) burst (a fleet that wakes up together). Each
sends one of M preambles at the next opportunity. Alone on its preamble in attempt i it is detected
with probability :math:`1 - e^{-i}` (power ramping); of those detected at most G get a grant, drawn
at random; two on one preamble both fail. Who fails waits for the response window and an even
back-off and tries again, up to a largest number of attempts.

The simulation draws from a counter: run, device and attempt give the number, so that the outcome
does not depend on order or threads.

Left out: collisions of the messages after the grant, capture of the stronger of two, barring,
coverage classes with repetitions (see the radio engine).

References
----------
3GPP TR 37.868, Study on RAN improvements for machine-type communications, clause 6 (traffic models
1 and 2, evaluation of the random access channel). Values of `RachConfig` marked there as typical;
response window, back-off and fixed delay are unverified.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["RachConfig", "RandomAccess", "random_access"]

#: Sum of the largest back-off and window that a device may still be waiting after the last one.
ARRIVALS = ("uniform", "beta34")
DEVICES_MAX = 50_000_000


class RachConfig(NamedTuple):
    """The channel.

    Attributes
    ----------
    preambles : int
        Preambles to choose from at each opportunity.
    opportunities_per_s : float
    grants : int
        Most answers at one opportunity.
    attempts_max : int
    response_ms : float
        From an attempt until its failure is known.
    backoff_ms : float
        Largest back-off; the draw is even.
    fixed_delay_ms : float
        From a detected preamble to the end of the procedure.
    """

    preambles: int = 54
    opportunities_per_s: float = 200.0
    grants: int = 15
    attempts_max: int = 10
    response_ms: float = 7.0
    backoff_ms: float = 20.0
    fixed_delay_ms: float = 15.0


class RandomAccess(NamedTuple):
    """What devices saw, mean over the runs.

    Attributes
    ----------
    success_ratio : float
        Share of devices that got in.
    collision_ratio : float
        Share of preambles on offer during the window that two or more devices chose.
    mean_attempts : float
        Of devices that got in; NaN where none did.
    mean_delay_ms : float
        From arrival to the end of the procedure, of devices that got in.
    """

    success_ratio: float
    collision_ratio: float
    mean_attempts: float
    mean_delay_ms: float


@jit
def _mix(x):
    """Return 64 well mixed bits of a counter (splitmix64)."""
    x = (x + np.uint64(0x9E3779B97F4A7C15)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@jit
def _even(key, device, attempt, purpose):
    """Return a number in 0..1 that belongs to (run, device, attempt, purpose)."""
    x = _mix(key ^ _mix(np.uint64(device) * np.uint64(64) + np.uint64(attempt)))
    x = _mix(x + np.uint64(purpose))
    return np.float64(x >> np.uint64(11)) / 9007199254740992.0


@jit
def _run(
    arrival_s, key, preambles, per_s, grants, attempts_max, response_s, backoff_s, window, out
):
    """Play one run; `out` takes successes, collisions, attempts and delay of successes."""
    n = arrival_s.size
    step = 1.0 / per_s
    last = window + np.int64(np.ceil((response_s + backoff_s) * per_s + 2.0)) * attempts_max + 2
    head = np.full(last + 1, -1, np.int64)
    follow = np.empty(n, np.int64)
    attempt = np.ones(n, np.int64)
    for i in range(n):
        first_slot = np.int64(np.ceil(arrival_s[i] * per_s))
        follow[i] = head[first_slot]
        head[first_slot] = i
    first = np.empty(preambles, np.int64)
    users = np.zeros(preambles, np.int64)
    detected = np.empty(preambles, np.int64)
    rank = np.empty(preambles)
    for slot in range(last + 1):
        i = head[slot]
        if i < 0:
            continue
        users[:] = 0
        while i >= 0:
            k = min(np.int64(_even(key, i, attempt[i], 1) * preambles), preambles - 1)
            users[k] += 1
            first[k] = i
            i = follow[i]
        found = 0
        for k in range(preambles):
            if users[k] > 1 and slot < window:
                out[1] += 1
            elif users[k] == 1:
                one = first[k]
                if _even(key, one, attempt[one], 2) < 1.0 - np.exp(-attempt[one]):
                    # a grant each, those with the lowest draw first
                    value = _even(key, one, attempt[one], 3)
                    at = found
                    while at > 0 and rank[at - 1] > value:
                        rank[at] = rank[at - 1]
                        detected[at] = detected[at - 1]
                        at -= 1
                    rank[at] = value
                    detected[at] = one
                    found += 1
        for g in range(min(found, grants)):
            one = detected[g]
            out[0] += 1
            out[2] += attempt[one]
            out[3] += slot * step - arrival_s[one]
            attempt[one] = -1
        i = head[slot]
        while i >= 0:
            after = follow[i]
            if attempt[i] > 0 and attempt[i] < attempts_max:
                wait = slot * step + response_s + backoff_s * _even(key, i, attempt[i], 4)
                attempt[i] += 1
                later = np.int64(np.ceil(wait * per_s - 1e-9))
                if later <= slot:
                    later = np.int64(slot + 1)
                follow[i] = head[later]
                head[later] = i
            i = after


def random_access(
    devices: int,
    arrivals: str,
    window_s: float,
    *,
    config: RachConfig | None = None,
    runs: int = 3,
    seed: int = 0,
) -> RandomAccess:
    """Return how a cell takes in devices that come within a window.

    Parameters
    ----------
    devices : int
        >= 1.
    arrivals : str
        ``"uniform"`` (traffic model 1) or ``"beta34"``, a Beta(3, 4) burst (traffic model 2).
    window_s : float
        > 0.
    config : RachConfig, optional
    runs : int
        Runs to average over, >= 1.
    seed : int

    Returns
    -------
    RandomAccess

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.
    """
    c = config or RachConfig()
    if not 1 <= devices <= DEVICES_MAX:
        raise ValueError(f"devices must be 1..{DEVICES_MAX:,}; got {devices}")
    if arrivals not in ARRIVALS:
        raise ValueError(f"arrivals must be one of {', '.join(ARRIVALS)}; got {arrivals!r}")
    if not (np.isfinite(window_s) and window_s > 0):
        raise ValueError(f"window_s must be > 0; got {window_s}")
    if runs < 1:
        raise ValueError(f"runs must be >= 1; got {runs}")
    for name, value in c._asdict().items():
        least = 0 if name.endswith("_ms") else 1
        if not value >= least:
            raise ValueError(f"config.{name} must be >= {least}; got {value}")
    window = int(np.ceil(window_s * c.opportunities_per_s))
    rows = np.zeros((runs, 4))
    for run in range(runs):
        rng = np.random.Generator(np.random.Philox(key=[seed, run]))
        share = rng.random(devices) if arrivals == "uniform" else rng.beta(3.0, 4.0, devices)
        _run(
            share * window_s, np.uint64(rng.integers(1, 2**63)), int(c.preambles),
            float(c.opportunities_per_s), int(c.grants), int(c.attempts_max),
            c.response_ms / 1e3, c.backoff_ms / 1e3, window, rows[run],
        )  # fmt: skip
    won: Any = np.where(rows[:, 0] > 0, rows[:, 0], np.nan)
    return RandomAccess(
        float(rows[:, 0].mean() / devices),
        float(rows[:, 1].mean() / (window * c.preambles)),
        float((rows[:, 2] / won).mean()),
        float((1e3 * rows[:, 3] / won).mean() + c.fixed_delay_ms),
    )
