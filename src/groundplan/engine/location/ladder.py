r"""Plans on a ladder of temperatures, exchanged between its rungs (replica exchange).

Every rung keeps its temperature and walks by swaps on a table of pairs (`pairs.py`). After some
moves neighbouring rungs exchange their plans with probability
``min(1, exp((v_hot - v_cold) (1 / t_cold - 1 / t_hot)))``: a plan that froze in a poor arrangement
is carried up and forgets it while another comes down (Swendsen and Wang 1986,
doi 10.1103/PhysRevLett.57.2607; Hukushima and Nemoto 1996, doi 10.1143/JPSJ.65.1604).

Values at one temperature spread by its size times the square root of how many sites are chosen: the
more are chosen, the nearer rungs have to lie, or nothing is exchanged. The coldest rung lies where
what is left to gain is of the size of the weight that stays open, which near full coverage is
far below the value of a site.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import spread
from groundplan.engine.location.pairs import QUANTILES, fill_pairs, walk_pairs
from groundplan.engine.location.program import Program

__all__ = ["Ladder", "place_rungs"]

#: Hottest rung in mean values of a chosen site, where plans forget within some hundred thousand
#: moves where they began; the second where next to nothing stays open, in between by how much of a
#: site's mean value does. Seen on few cases and seeds, which differ by more than the settings do.
HOT, HOT_COVERED = 0.0135, 0.009
#: Ratio of the hottest rung to the coldest, and the most that it may become near full coverage.
SPAN, SPAN_MAX = 4.5, 32.0
#: The coldest rung is also at most this share of the weight that stays open.
OPEN_SHARE = 0.01
#: Ratio of neighbouring rungs less 1, times the root of the number of chosen sites: a quarter to a
#: half of the exchanges is accepted.
STEP = 1.8
#: Most numbers in the tables of all rungs: 128 MiB.
TABLES_MAX = 32_000_000
#: Moves of a rung between two exchanges.
MOVES_PER_EXCHANGE = 25_000
#: Allowed losses at temperature 1, each as often.
SLACK = -np.log((np.arange(QUANTILES) + 0.5) / QUANTILES)


def place_rungs(value: int, total: int, size: int, n_site: int) -> NDArray[np.float64]:
    """Return the temperatures of the rungs, coldest first, in units of weight.

    Parameters
    ----------
    value, total : int
        Value of a good plan and all weight.
    size, n_site : int
        Chosen sites and sites.
    """
    mean = max(1.0, value / size)
    hot = mean * (HOT_COVERED + (HOT - HOT_COVERED) * min(1.0, (total - value) / mean))
    cold = max(min(hot / SPAN, OPEN_SHARE * (total - value)), hot / SPAN_MAX)
    n = 1 + int(np.ceil(np.log(hot / cold) / np.log1p(STEP / np.sqrt(size))))
    n = max(2, min(n, TABLES_MAX // (size * n_site)))
    return np.asarray(cold * (hot / cold) ** (np.arange(n) / (n - 1)), np.float64)


class Ladder:
    """One plan a rung with its tables, and the best plan seen on each rung.

    Parameters
    ----------
    program : Program
        All sites cost the same.
    plans : (n_rung, size) int64
        Chosen sites of the plan on each rung.
    heat : (n_rung,) float64
        Temperatures, coldest first.
    halt : callable
        Asked between exchanges whether to give up.

    Attributes
    ----------
    best_plan : (n_rung, size) int64
        Best plan that was seen on each rung since the last `forget`, its value in `best`.
    """

    def __init__(
        self,
        program: Program,
        plans: NDArray[np.int64],
        heat: NDArray[np.float64],
        halt: Callable[[], bool] = lambda: False,
    ) -> None:
        p = program
        n, size = plans.shape
        self.lists = (
            p.site_indptr, p.site_indices.view(np.uint32), p.row_indptr,
            p.row_indices.view(np.uint32), p.weight.astype(np.int32),
        )  # fmt: skip
        self.heat, self.halt = heat, halt
        self.plan = np.array(plans, np.int64)
        self.chosen = np.zeros((n, p.n_site), np.bool_)
        self.chosen[np.arange(n)[:, None], self.plan] = True
        self.count, self.owner = (np.zeros((n, p.n_row), np.int32) for _ in range(2))
        self.gain = np.zeros((n, p.n_site), np.int32)
        self.shared = np.zeros((n, size, p.n_site), np.int32)
        self.value = np.zeros(n, np.int64)
        for k in range(n):
            self.value[k] = fill_pairs(
                *self.lists, self.plan[k], self.count[k], self.owner[k], self.gain[k],
                self.shared[k],
            )  # fmt: skip
        #: Which plan stands on each rung.
        self.at = np.arange(n)
        self.best = self.value.copy()
        self.best_plan = self.plan.copy()

    def plans(self) -> NDArray[np.int64]:
        """Return the plans as they stand on the rungs, coldest first."""
        return self.plan[self.at]

    def forget(self) -> None:
        """Let every rung seek its best plan anew, from the one that stands on it."""
        self.best[:] = self.value[self.at]
        self.best_plan[:] = self.plan[self.at]

    def anneal(
        self, moves: int, hot: NDArray[np.float64], cold: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        """Make so many moves on each rung while it cools from `hot` to `cold`."""
        n = self.at.size
        seeds = rng.integers(1, 2**63, n, dtype=np.uint64)
        # the hottest accept the most moves and take the longest: they begin
        spread(self._walk, [(k, k + 1) for k in range(n - 1, -1, -1)], moves, hot, cold, seeds)

    def exchange(self, moves: int, rng: np.random.Generator) -> None:
        """Walk so many moves on each rung, with exchanges between them."""
        n = self.at.size
        for turn in range(max(1, moves // MOVES_PER_EXCHANGE)):
            self.anneal(min(moves, MOVES_PER_EXCHANGE), self.heat, self.heat, rng)
            luck = np.log(rng.uniform(size=n))
            for k in range(turn % 2, n - 1, 2):
                a, b = self.at[k], self.at[k + 1]
                rise = float(self.value[b] - self.value[a])
                if rise * (1.0 / self.heat[k] - 1.0 / self.heat[k + 1]) >= luck[k]:
                    self.at[k], self.at[k + 1] = b, a
            if self.halt():
                return

    def _walk(
        self, rung: int, _end: int, moves: int, hot: NDArray[np.float64],
        cold: NDArray[np.float64], seeds: NDArray[np.uint64],
    ) -> None:  # fmt: skip
        """Walk on one rung; the form in which `spread` calls it."""
        k = int(self.at[rung])
        self.value[k], self.best[rung] = walk_pairs(
            *self.lists, moves, float(hot[rung]), float(cold[rung]), seeds[rung], SLACK,
            self.plan[k], self.chosen[k], self.count[k], self.owner[k], self.gain[k],
            self.shared[k], int(self.value[k]), int(self.best[rung]), self.best_plan[rung],
        )  # fmt: skip
