r"""Smart charging under one feeder: the least limit that serves everybody, and schedules under one.

A session k may take energy E_k between arrival and departure. Without a limit for each car the
least feeder limit is the largest intensity of any interval (Yao, Demers and Shenker 1995):

.. math:: L^* = \max_{s<t} \frac{\sum_{k:\ s \le a_k,\ d_k \le t} E_k}{t - s}

With a limit u_k for each car it is, on steps of length h, by the duality of flow and cut,

.. math::

    L^* = \max_T \frac{\sum_k \max\big(0,\ E_k - u_k\,h\,|W_k \setminus T|\big)}{h\,|T|}

over sets T of steps, W_k the steps of the session. It is found by a rising sequence of maximum
flows from sessions to steps: where not all energy arrives, the cut names a T with a larger
quotient, which is the next limit. The last flow is a schedule at the limit, the last T the proof.

Left out: several feeders in series, phases, ramp limits, discharging (V2G), least power of a car.

References
----------
Yao, F., Demers, A. and Shenker, S. (1995), A scheduling model for reduced CPU energy, FOCS,
374-382.
Dinkelbach, W. (1967), On nonlinear fractional programming, Management Science 13, 492-498.
Dinic, E. (1970), on maximum flow in layered networks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine._jit import jit
from groundplan.engine.models.queue import _number

__all__ = ["ChargingPeak", "ChargingSchedule", "charging_schedule", "smart_charging_peak"]

FloatArray = NDArray[np.float64]
RULES = ("edf", "llf", "round_robin", "optimal", "uncontrolled")
#: What is left of an energy below this counts as delivered, kWh.
TINY_KWH = 1e-9
SESSIONS_MAX = 1_000_000


class ChargingPeak(NamedTuple):
    """The least feeder limit.

    Attributes
    ----------
    peak_kw : float
        Without a limit for each car.
    critical_start_h, critical_end_h : float
        An interval that needs it.
    peak_limited_kw : float
        With the limit for each car; NaN where none was given or it cannot be kept.
    is_feasible : bool
        False where a car cannot take its energy within its limit while it stands.
    uncontrolled_kw : float
        Largest load if every car charges at its limit from arrival; NaN as `peak_limited_kw`.
    """

    peak_kw: float
    critical_start_h: float
    critical_end_h: float
    peak_limited_kw: float
    is_feasible: bool
    uncontrolled_kw: float


class ChargingSchedule(NamedTuple):
    """Power over time under a feeder limit.

    Attributes
    ----------
    delivered_kwh : (n,) float64
        To each session.
    load_kw : (n_step,) float64
        Of the feeder, mean of each step.
    start_h, step_h : float
        Beginning of the first step, length of a step.
    demanded_kwh, total_kwh : float
        Energy asked and delivered.
    """

    delivered_kwh: FloatArray
    load_kw: FloatArray
    start_h: float
    step_h: float
    demanded_kwh: float
    total_kwh: float


@jit
def _intensity(start, end, energy, starts):
    """Return the largest intensity and its interval.

    Parameters
    ----------
    start, end, energy : (n,) float64
        Sessions ordered by `end`.
    starts : (m,) float64
        Arrivals, each once.
    """
    best, low, high = 0.0, 0.0, 0.0
    for s in range(starts.size):
        begin = starts[s]
        total = 0.0
        for k in range(start.size):
            if start[k] >= begin:
                total += energy[k]
                # of several that end together only the last counts all of them, and is largest
                value = total / (end[k] - begin)
                if value > best:
                    best, low, high = value, begin, end[k]
    return best, low, high


@jit
def _levels(unmet, first, count, flow, cap, room, sessions_at, step_first, own, level_s, level_t):
    """Layer sessions and steps by distance from unmet sessions; returns whether room is reached."""
    n, m = unmet.size, room.size
    level_s[:] = -1
    level_t[:] = -1
    queue = np.empty(n, np.int64)
    tail = 0
    for k in range(n):
        if unmet[k] > 1e-9:
            level_s[k] = 0
            queue[tail] = k
            tail += 1
    found = False
    head = 0
    steps = np.empty(m, np.int64)
    depth = 0
    while head < tail and not found:
        n_step = 0
        while head < tail:
            k = queue[head]
            head += 1
            for j in range(count[k]):
                t = own[k] + j
                e = first[k] + j
                if level_t[t] < 0 and cap[e] - flow[e] > 1e-9:
                    level_t[t] = depth + 1
                    steps[n_step] = t
                    n_step += 1
                    if room[t] > 1e-9:
                        found = True
        if found:
            break
        depth += 2
        tail = 0
        head = 0
        for q in range(n_step):
            t = steps[q]
            for r in range(step_first[t], step_first[t + 1]):
                k = sessions_at[r]
                if level_s[k] < 0 and flow[first[k] + t - own[k]] > 1e-9:
                    level_s[k] = depth
                    queue[tail] = k
                    tail += 1
    return found


@jit
def _block(unmet, first, count, flow, cap, room, sessions_at, step_first, own, level_s, level_t):
    """Push a blocking flow through the layers."""
    n, m = unmet.size, room.size
    arc_s = np.zeros(n, np.int64)
    arc_t = step_first[:m].copy()
    path_s = np.empty(2 * m + 4, np.int64)
    path_t = np.empty(2 * m + 4, np.int64)
    for source in range(n):
        while unmet[source] > 1e-9:
            # walk from the session to a step with room, backing out of dead ends
            depth = 0
            path_s[0] = source
            done = False
            while depth >= 0 and not done:
                k = path_s[depth]
                moved = False
                while arc_s[k] < count[k]:
                    j = arc_s[k]
                    t = own[k] + j
                    e = first[k] + j
                    if level_t[t] == level_s[k] + 1 and cap[e] - flow[e] > 1e-9:
                        if room[t] > 1e-9:
                            path_t[depth] = t
                            done = True
                            moved = True
                            break
                        # through the step to a session that can make way
                        while arc_t[t] < step_first[t + 1]:
                            other = sessions_at[arc_t[t]]
                            if (
                                level_s[other] == level_t[t] + 1
                                and flow[first[other] + t - own[other]] > 1e-9
                                and arc_s[other] < count[other]
                            ):
                                path_t[depth] = t
                                depth += 1
                                path_s[depth] = other
                                moved = True
                                break
                            arc_t[t] += 1
                        if moved:
                            break
                    arc_s[k] += 1
                if not moved:
                    # nothing leads on from here
                    depth -= 1
            if not done:
                break
            amount = min(unmet[source], room[path_t[depth]])
            for d in range(depth + 1):
                k, t = path_s[d], path_t[d]
                e = first[k] + t - own[k]
                amount = min(amount, cap[e] - flow[e])
                if d < depth:
                    other = path_s[d + 1]
                    amount = min(amount, flow[first[other] + t - own[other]])
            unmet[source] -= amount
            room[path_t[depth]] -= amount
            for d in range(depth + 1):
                k, t = path_s[d], path_t[d]
                flow[first[k] + t - own[k]] += amount
                if d < depth:
                    other = path_s[d + 1]
                    flow[first[other] + t - own[other]] -= amount


@jit
def _fill(unmet, first, count, flow, cap, room, sessions_at, step_first, own):
    """Raise `flow` to a maximum flow; `level_t` of the last layering tells the cut."""
    level_s = np.empty(unmet.size, np.int64)
    level_t = np.empty(room.size, np.int64)
    while _levels(
        unmet, first, count, flow, cap, room, sessions_at, step_first, own, level_s, level_t
    ):
        _block(unmet, first, count, flow, cap, room, sessions_at, step_first, own, level_s, level_t)
    return level_t


@jit
def _greedy(arrive, depart, limit, feeder, h, load, left, rule):
    """Serve step by step: earliest departure, least laxity, or equal shares."""
    n = arrive.size
    for t in range(load.size):
        begin = t * h
        end = begin + h
        active = 0
        key = np.empty(n)
        who = np.empty(n, np.int64)
        most = np.empty(n)
        for k in range(n):
            overlap = min(end, depart[k]) - max(begin, arrive[k])
            if overlap <= 1e-12 or left[k] <= 1e-9:
                continue
            who[active] = k
            most[active] = min(left[k], limit[k] * overlap)
            key[active] = depart[k]
            if rule == 1:
                key[active] = depart[k] - max(begin, arrive[k]) - left[k] / limit[k]
            elif rule == 2:
                key[active] = most[active]
            active += 1
        room = feeder * h
        order = np.argsort(key[:active], kind="mergesort")
        for q in range(active):
            a = order[q]
            give = min(most[a], room)
            if rule == 2:
                # smallest wish first: what it leaves is shared by those who want more
                give = min(most[a], room / (active - q))
            left[who[a]] -= give
            room -= give
            load[t] += give / h


class _Network:
    """Sessions, steps, and what each session may take in each step."""

    def __init__(
        self,
        arrive: FloatArray,
        depart: FloatArray,
        energy: FloatArray,
        limit: FloatArray,
        h: float,
    ) -> None:
        self.h = h
        self.start = float(np.floor(arrive.min() / h) * h)
        a, d = arrive - self.start, depart - self.start
        self.arrive, self.depart, self.energy, self.limit = a, d, energy, limit
        self.n_step = int(np.ceil(d.max() / h - 1e-9))
        self.own = np.floor(a / h + 1e-9).astype(np.int64)
        self.count = np.ceil(d / h - 1e-9).astype(np.int64) - self.own
        self.first = np.zeros(a.size + 1, np.int64)
        np.cumsum(self.count, out=self.first[1:])
        n_edge = int(self.first[-1])
        session = np.repeat(np.arange(a.size), self.count)
        step = self.own[session] + np.arange(n_edge) - self.first[session]
        overlap = np.minimum(d[session], (step + 1) * h) - np.maximum(a[session], step * h)
        self.cap = limit[session] * np.maximum(overlap, 0.0)
        self.session, self.step = session, step
        order = np.argsort(step, kind="stable")
        self.sessions_at = session[order]
        self.step_first = np.zeros(self.n_step + 1, np.int64)
        np.cumsum(np.bincount(step, minlength=self.n_step), out=self.step_first[1:])
        self.flow = np.zeros(n_edge)
        self.unmet = energy.copy()
        self.room = np.zeros(self.n_step)
        self.feeder = 0.0

    def raise_to(self, feeder_kw: float) -> NDArray[np.bool_]:
        """Raise the feeder limit and the flow under it; returns the steps on the cut's side."""
        self.room += (feeder_kw - self.feeder) * self.h
        self.feeder = feeder_kw
        level = _fill(
            self.unmet, self.first[:-1], self.count, self.flow, self.cap, self.room,
            self.sessions_at, self.step_first, self.own,
        )  # fmt: skip
        return np.asarray(level >= 0)

    def quotient(self, steps: NDArray[np.bool_]) -> float:
        """Return the limit that a set of steps needs, kW."""
        outside = np.bincount(
            self.session, weights=self.cap * ~steps[self.step], minlength=self.energy.size
        )
        need = np.maximum(self.energy - outside, 0.0).sum()
        return float(need / (self.h * max(1, int(steps.sum()))))

    def least(self, feeder_kw: float) -> float:
        """Return the least feeder limit, not below `feeder_kw`."""
        while True:
            steps = self.raise_to(feeder_kw)
            if float(self.unmet.sum()) <= TINY_KWH * max(1.0, self.energy.size):
                return feeder_kw
            more = self.quotient(steps)
            if not more > feeder_kw * (1.0 + 1e-12):
                return feeder_kw
            feeder_kw = more


def _sessions(
    arrive_h: ArrayLike, depart_h: ArrayLike, energy_kwh: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return checked sessions."""
    a, d, e = np.broadcast_arrays(
        np.atleast_1d(_number("arrive_h", arrive_h)),
        np.atleast_1d(_number("depart_h", depart_h)),
        np.atleast_1d(_number("energy_kwh", energy_kwh, least=0.0)),
    )
    if not 1 <= a.size <= SESSIONS_MAX:
        raise ValueError(f"arrive_h must hold 1..{SESSIONS_MAX:,} sessions; got {a.size}")
    bad = np.flatnonzero(~(d > a))
    if bad.size:
        k = int(bad[0])
        raise ValueError(f"depart_h must be > arrive_h; got {d[k]:g} for {a[k]:g}, session {k}")
    return a.copy(), d.copy(), e.copy()


def _limits(limit_kw: ArrayLike, n: int) -> FloatArray:
    """Return the checked limit of each car."""
    return np.broadcast_to(_number("limit_kw", limit_kw, above=0.0), (n,)).copy()


def smart_charging_peak(
    arrive_h: ArrayLike,
    depart_h: ArrayLike,
    energy_kwh: ArrayLike,
    limit_kw: ArrayLike | None = None,
    *,
    step_h: float = 0.25,
) -> ChargingPeak:
    """Return the least feeder limit under which every session gets its energy.

    Parameters
    ----------
    arrive_h, depart_h : (n,) array
        Hours, departure after arrival.
    energy_kwh : (n,) array
        >= 0.
    limit_kw : float or (n,) array, optional
        Of each car.
    step_h : float
        Step for the limit of each car; exact where times are multiples of it, else power is free
        to move within a step.

    Returns
    -------
    ChargingPeak

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> smart_charging_peak([0, 1], [2, 2], [10, 15], 22.0).peak_limited_kw
    15.0
    """
    a, d, e = _sessions(arrive_h, depart_h, energy_kwh)
    if not step_h > 0:
        raise ValueError(f"step_h must be > 0; got {step_h}")
    order = np.argsort(d, kind="stable")
    starts = np.unique(a)
    peak, low, high = _intensity(a[order], d[order], e[order], starts)
    if limit_kw is None:
        return ChargingPeak(peak, low, high, np.nan, True, np.nan)
    u = _limits(limit_kw, a.size)
    if (e > u * (d - a) * (1.0 + 1e-12)).any():
        return ChargingPeak(peak, low, high, np.nan, False, np.nan)
    limited = _Network(a, d, e, u, step_h).least(0.0)
    return ChargingPeak(peak, low, high, limited, True, _uncontrolled(a, e, u))


def _uncontrolled(a: FloatArray, e: FloatArray, u: FloatArray) -> float:
    """Return the largest load if all charge from arrival; ends come before starts."""
    time = np.concatenate([a, a + e / u])
    change = np.concatenate([u, -u])
    order = np.lexsort((change, np.round(time, 9)))
    return float(np.cumsum(change[order]).max(initial=0.0))


def charging_schedule(
    arrive_h: ArrayLike,
    depart_h: ArrayLike,
    energy_kwh: ArrayLike,
    limit_kw: ArrayLike,
    feeder_kw: float,
    *,
    rule: str = "optimal",
    step_h: float = 0.25,
) -> ChargingSchedule:
    """Return who gets what under a feeder limit.

    Parameters
    ----------
    arrive_h, depart_h, energy_kwh, limit_kw
        As for `smart_charging_peak`.
    feeder_kw : float
        > 0.
    rule : str
        ``"edf"`` earliest departure first, ``"llf"`` least laxity first (least time to spare),
        ``"round_robin"`` equal shares, ``"optimal"`` the most energy that any schedule delivers,
        with all arrivals known, ``"uncontrolled"`` no limit: every car at its own from arrival.
    step_h : float

    Returns
    -------
    ChargingSchedule

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.
    """
    a, d, e = _sessions(arrive_h, depart_h, energy_kwh)
    u = _limits(limit_kw, a.size)
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}; got {rule!r}")
    if not (feeder_kw > 0 and step_h > 0):
        raise ValueError(f"feeder_kw and step_h must be > 0; got {feeder_kw} and {step_h}")
    net = _Network(a, d, e, u, step_h)
    load: Any
    if rule == "optimal":
        net.raise_to(float(feeder_kw))
        delivered = e - net.unmet
        load = np.bincount(net.step, weights=net.flow, minlength=net.n_step) / step_h
    else:
        left, load = e.copy(), np.zeros(net.n_step)
        feeder = np.inf if rule == "uncontrolled" else float(feeder_kw)
        number = {"edf": 0, "llf": 1, "round_robin": 2, "uncontrolled": 0}[rule]
        # finite, since it is multiplied by a step
        feeder = min(feeder, float(u.sum()) + 1.0)
        _greedy(net.arrive, net.depart, u, feeder, step_h, load, left, number)
        delivered = e - left
    return ChargingSchedule(
        delivered, load, net.start, float(step_h), float(e.sum()), float(delivered.sum())
    )
