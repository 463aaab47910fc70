r"""Plans bred from each other: half of one, half of another, and the seam between them cooled.

Where sites overlap widely a plan is an arrangement, and what is good in it is good in a region, not
site by site. A child takes the sites on one side of a cut from one plan and those on the other side
from another, always as many as both have (cut and splice of clusters: Deaven and Ho 1995,
doi 10.1103/PhysRevLett.75.288); a short cooling at a mild temperature mends the seam. Cuts follow
hops over shared rows, so no geometry is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.program import Program

__all__ = ["Flock", "find_landmarks", "splice"]

#: Sites from which hops are counted.
LANDMARKS = 24
#: A cut takes between a fifth and four fifths of the sites from the first plan.
SHARE_LEAST = 5
#: Plans of which all but this share of the sites are the same are one plan.
SAME = 0.1


@jit
def count_hops(begin, site_indptr, site_indices, row_indptr, row_indices, hops, seen, queue):
    """Write how many shared rows lead from a site to each; one more than all where none do.

    `hops` holds -1 and `seen` zeros before.
    """
    hops[begin] = 0
    queue[0] = begin
    done, end = 0, 1
    while done < end:
        j = queue[done]
        done += 1
        for q in range(site_indptr[j], site_indptr[j + 1]):
            i = site_indices[q]
            if seen[i]:
                continue
            seen[i] = True
            for e in range(row_indptr[i], row_indptr[i + 1]):
                k = row_indices[e]
                if hops[k] < 0:
                    hops[k] = hops[j] + 1
                    queue[end] = k
                    end += 1
    far = hops[queue[end - 1]] + 1
    for k in range(hops.size):
        if hops[k] < 0:
            hops[k] = far


def find_landmarks(program: Program, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return the hops from each of some drawn sites to all, (n_landmark, n_site)."""
    p = program
    begin = rng.choice(p.n_site, min(LANDMARKS, p.n_site), replace=False)
    hops = np.full((begin.size, p.n_site), -1, np.int32)
    queue = np.zeros(p.n_site, np.int64)
    for k, j in enumerate(begin):
        seen = np.zeros(p.n_row, np.bool_)
        csr = (p.site_indptr, p.site_indices, p.row_indptr, p.row_indices)
        count_hops(int(j), *csr, hops[k], seen, queue)
    return hops


def splice(
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    landmarks: NDArray[np.int32],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return a plan of the first sites of `one` and the last of `other` along a drawn direction.

    Parameters
    ----------
    one, other : (size,) int64
        Chosen sites, none twice.
    landmarks : (n_landmark, n_site) int32
        Hops from each landmark.
    rng : Generator

    Returns
    -------
    (size,) int64
        Sites that both parts hold are replaced by drawn ones.
    """
    size, n_site = one.size, landmarks.shape[1]
    a, b = landmarks[rng.integers(len(landmarks), size=2)]
    along = a - rng.uniform() * b + rng.uniform(0.0, 0.9, n_site)
    least = size // SHARE_LEAST
    n = int(rng.integers(least, size - least + 1))
    child = np.concatenate([one[np.argsort(along[one])][:n], other[np.argsort(along[other])][n:]])
    chosen = np.zeros(n_site, bool)
    chosen[child] = True
    missing = size - int(chosen.sum())
    drawn = rng.choice(np.flatnonzero(~chosen), missing, replace=False)
    chosen[drawn] = True
    return np.flatnonzero(chosen)


class Flock:
    """Plans of one size that differ from each other, best first once `sort` was called.

    Parameters
    ----------
    n_site, most : int
        Sites, and how many plans are kept.
    """

    def __init__(self, n_site: int, most: int) -> None:
        self.n_site, self.most = n_site, most
        self.plans: list[NDArray[np.int64]] = []
        self.values: list[int] = []

    def best(self) -> int:
        """Return the value of the best plan, -1 where there is none."""
        return max(self.values, default=-1)

    def put(self, plan: NDArray[np.int64], value: int) -> bool:
        """Keep a plan that is better than the one like it, or than the worst; tells whether."""
        k = -1
        if self.plans:
            chosen = np.zeros(self.n_site, bool)
            chosen[plan] = True
            same = np.array([int(chosen[other].sum()) for other in self.plans])
            k = int(np.argmax(same))
            if same[k] < plan.size - max(1, int(SAME * plan.size)):
                k = -1
            if k < 0 and len(self.plans) == self.most:
                k = int(np.argmin(self.values))
        if k < 0:
            self.plans.append(plan)
            self.values.append(value)
            return True
        if value <= self.values[k]:
            return False
        self.plans[k], self.values[k] = plan, value
        return True

    def first(self, n: int) -> list[int]:
        """Return the places of the n best plans, best first."""
        return [int(k) for k in np.argsort(-np.array(self.values), kind="stable")[:n]]
