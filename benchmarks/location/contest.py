"""The cases of compare.py: how each is made, handed over, and judged on its raw rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cordeau
import known
import numpy as np
import programs
import province

from groundplan import location

REGIMES = tuple(province.REGIMES)
FAMILIES = (*REGIMES, "lscp", "cordeau", *known.FAMILIES)
SIZES = {"1k": 10**3, "10k": 10**4, "100k": 10**5, "1M": 10**6, "10M": 10**7, "18M": 18 * 10**6}
CORDEAU_SIZES = {"1M": 10**6, "20M": 2 * 10**7, "100M": 10**8}


class Contest:
    """One case: what groundplan is given, the file that peers are given, and the judge.

    Attributes
    ----------
    name, family : str
    rows, n_site : int
        Raw rows and candidate sites.
    kind : str
        As in programs.py.
    best_known : float or None
        From the file of known values.
    spec : dict
        What ours.py is told.
    """

    best_known: float | None = None
    spec: dict
    kind = "covering"

    def __init__(self, name: str, family: str, rows: int) -> None:
        self.name, self.family, self.rows = name, family, rows
        self.about, self.n_site = "", 0
        self.case: programs.Case | None = None

    @property
    def maximize(self) -> bool:
        return self.kind == "covering"

    def raw(self) -> programs.Case:
        """Return the case in arrays, the same for all."""
        if self.case is None:
            self.case = self.make()
        return self.case

    def make(self) -> programs.Case:
        raise NotImplementedError

    def write(self, folder: Path, *, merged: bool) -> Path:
        """Write what a peer reads; `merged`: rows that the same sites reach are one row."""
        path = folder / ("merged.npz" if merged else "raw.npz")
        if not path.exists():
            programs.save(path, self.merge() if merged else self.raw())
        return path

    def merge(self) -> programs.Case:
        raw = self.raw()
        n = raw["row_indptr"].size - 1
        weight = raw.get("weight", np.ones(n, np.int64))
        found = location.Coverage.from_csr(
            raw["row_indptr"], raw["row_indices"], weight, int(raw["n_site"])
        )
        lists = {"row_indptr": found.row_indptr, "row_indices": found.row_indices}
        return {**raw, **lists, **({"weight": found.weight} if "weight" in raw else {})}

    def value(self, sites: list[int], assignment: list[int] | None) -> float:
        """Return what a plan is worth on the raw rows; ``ValueError``: not a plan."""
        return programs.value_of(self.raw(), sites, assignment)

    def tell(self) -> str:
        """Return one line about the case."""
        return self.about


class Province(Contest):
    """A province of a regime, or (`lscp`) the fewest sites that reach all its cells."""

    def __init__(self, family: str, size: str, n: int, seed: int) -> None:
        super().__init__(f"{family} {size}", family, n)
        self.regime = province.REGIMES.get(family, province.REGIMES["tight"])
        self.lscp = family == "lscp"
        self.kind = "setcover" if self.lscp else "covering"
        self.spec = {"family": "province", "n": n, "seed": seed, "lscp": self.lscp,
                     "regime": "tight" if self.lscp else family}  # fmt: skip
        _demand, self.weight, self.sites = province.province(n, seed, uniform=self.regime.uniform)
        self.p, self.n_site = n // self.regime.divide, len(self.sites)
        goal = "fewest sites that reach every cell" if self.lscp else f"{self.p:,} to choose"
        self.about = (
            f"{self.weight.size:,} cells, {len(self.sites):,} candidates, reach "
            f"{self.regime.radius:g} cells, {goal}, seed {seed}"
        )

    def make(self) -> programs.Case:
        indptr, indices = province.raw_lists(self.weight.size, self.sites, self.regime.radius)
        case = {"kind": self.kind, "row_indptr": indptr, "row_indices": indices,
                "n_site": len(self.sites)}  # fmt: skip
        if not self.lscp:
            return {**case, "weight": self.weight, "p": self.p}
        # cells that no candidate reaches are nobody's task
        case["row_indptr"] = np.concatenate([[0], indptr[1:][np.diff(indptr) > 0]])
        return {**case, "cost": np.ones(len(self.sites), np.int64)}

    def value(self, sites: list[int], assignment: list[int] | None) -> float:
        if self.lscp:
            return super().value(sites, assignment)
        chosen = np.unique(np.asarray(sites, np.int64))
        if chosen.size != len(sites) or chosen.size > self.p:
            raise ValueError(f"{len(sites)} sites, allowed {self.p}, none twice")
        return province.value_on_cells(self.weight, self.sites[chosen], self.regime.radius)


class Cordeau(Contest):
    """Customers that never stand in memory; peers get the merged rows only."""

    def __init__(self, size: str, n: int, seed: int) -> None:
        super().__init__(f"cordeau {size}", "cordeau", n)
        self.seed, self.n_site = seed, cordeau.N_SITE
        self.spec = {"family": "cordeau", "n": n, "seed": seed}
        self.about = (
            f"{n:,} customers drawn and merged in parts (both in the time of groundplan), "
            f"{cordeau.N_SITE} facilities, reach {cordeau.REACH}, {cordeau.P} to choose, seed "
            f"{seed}"
        )

    def make(self) -> programs.Case:
        found = cordeau.stream(self.rows, self.seed)
        return {"kind": "covering", "row_indptr": found.row_indptr, "p": cordeau.P,
                "row_indices": found.row_indices, "weight": found.weight,
                "n_site": cordeau.N_SITE}  # fmt: skip

    def merge(self) -> programs.Case:
        return self.raw()

    def value(self, sites: list[int], assignment: list[int] | None) -> float:
        del assignment
        if len(set(sites)) != len(sites) or len(sites) > cordeau.P:
            raise ValueError(f"{len(sites)} sites, allowed {cordeau.P}, none twice")
        return cordeau.value_on_rows(self.rows, self.seed, sites)


class File(Contest):
    """A case with a known value, handed to everybody as the same file."""

    def __init__(self, name: str, family: str, row: dict[str, str], case: programs.Case) -> None:
        is_list = "row_indptr" in case
        rows = case["row_indptr"].size - 1 if is_list else len(case["cost"])
        super().__init__(name, family, rows)
        self.kind, self.case, self.best_known = case["kind"], case, float(row["value"])
        n_site = self.n_site = int(case["n_site"] if is_list else case["cost"].shape[1])
        count = f", {case['p']} to choose" if case.get("p", -1) >= 0 else ""
        status = row["status"].partition("(")[0].strip().replace(" here", "")
        source = row["source"].replace("this work", "SOURCES.md beside the data")
        self.about = (
            f"{rows:,} rows, {n_site:,} sites{count}; known value {self.best_known:,.10g} "
            f"({status}; {source})"
        )
        self.spec = {"family": "file"}


def contests(
    families: list[str],
    sizes: list[str],
    cordeau_sizes: list[str],
    data: Path,
    seed: int,
    per_set: int | None = None,
) -> Iterator[Contest | str]:
    """Yield the cases, or a word on a family that cannot be run."""
    for family in families:
        if family in (*REGIMES, "lscp"):
            for size in sizes:
                yield Province(family, size, SIZES[size], seed)
        elif family == "cordeau":
            for size in cordeau_sizes:
                yield Cordeau(size, CORDEAU_SIZES[size], seed)
        else:
            found = False
            for name, row, case in known.cases(family, data, per_set):
                found = True
                yield File(name, family, row, case)
            if not found:
                yield f"{family}: not run, no such files in the folder of known values (--data)"
