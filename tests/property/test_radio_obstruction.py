"""What terrain takes from a link budget: nothing on even ground, and exactly what the twin says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from groundplan.engine.radio.combined import combined
from groundplan.engine.radio.direct import direct_loss
from groundplan.engine.radio.link import Link, served_ratio
from groundplan.engine.radio.obstruction import POINTS, EvenGround, hidden_cells, spare_loss
from groundplan.engine.radio.pathloss import path_loss
from groundplan.engine.radio.sweep_many import sweep_masts
from groundplan.engine.radio.terrain import Terrain

LINK = Link("RMa", 0.715, 35.0, 1.5, 130.0, "low", 0.8)
SIDE, CELL_M = 40, 100.0
GRID = (0.0, SIDE * CELL_M, CELL_M, SIDE, SIDE)


@dataclass
class Masts:
    x_m: np.ndarray
    y_m: np.ndarray
    antenna_height_m: np.ndarray
    frequency_ghz: np.ndarray
    reach_m: np.ndarray
    model: np.ndarray


@dataclass
class Cells:
    x0_m: float = GRID[0]
    y0_m: float = GRID[1]
    cell_m: float = CELL_M
    n_row: int = SIDE
    n_col: int = SIDE


def hills(seed: int) -> Terrain:
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), 2.5)
    rough = (150.0 + 60.0 * noise / noise.std()).astype(np.float32)
    return Terrain(rough, GRID[0], GRID[1], CELL_M)


def hidden(terrain: Terrain, reach_m: float):
    """Return the cells that the kernel says are hidden, and how many are near."""
    spare = spare_loss([[LINK]], np.array([[reach_m]]))
    (_, window), = sweep_masts(
        terrain, 2010.0, 1990.0, 35.0, 1.5, 0.715, reach_m, GRID, near_model=None, step_m=100.0
    )  # fmt: skip
    out = np.empty(window.loss_db.size, np.int32)
    cell_of = np.arange(SIDE * SIDE, dtype=np.int32).reshape(SIDE, SIDE)
    n, near = hidden_cells(
        window.loss_db, window.row0, window.col0,
        EvenGround(1.5, 100.0).table(35.0, 0.715, reach_m), reach_m, cell_of,
        np.zeros(SIDE * SIDE, np.int8), GRID[0], GRID[1], CELL_M, 2010.0, 1990.0, spare[0, 0],
        reach_m, spare[0], np.array([reach_m]), True, out,
    )  # fmt: skip
    return set(out[:n].tolist()), near


def test_even_ground_hides_nothing():
    for height in (0.0, 400.0):
        flat = Terrain(np.full((SIDE, SIDE), height, np.float32), GRID[0], GRID[1], CELL_M)
        cells, near = hidden(flat, 1100.0)
        assert not cells
        assert near == pytest.approx(np.pi * 11**2, rel=0.05)


def test_the_spare_loss_is_what_the_edge_leaves():
    spare = spare_loss([[LINK]], np.array([[1100.0]]))[0, 0]
    d = np.linspace(0, 1100.0, POINTS)
    assert spare[-1] == 0.0
    assert (np.diff(spare) <= 1e-9).all()
    edge = served_ratio(LINK, d[-1:])[0]
    inner = slice(POINTS // 4, -1)
    assert served_ratio(LINK, d[inner], spare[inner]) == pytest.approx(edge, abs=1e-4)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000))
def test_hidden_cells_are_those_that_a_profile_each_would_hide(seed):
    terrain, reach = hills(seed), 1100.0
    cells, _ = hidden(terrain, reach)
    spare = spare_loss([[LINK]], np.array([[reach]]))[0, 0]
    row, col = np.divmod(np.arange(SIDE * SIDE), SIDE)
    x, y = CELL_M * (col + 0.5), GRID[1] - CELL_M * (row + 0.5)
    d = np.hypot(x - 2010.0, y - 1990.0)
    near = np.flatnonzero((d <= reach) & (d >= 300.0))
    loss = direct_loss(terrain, 2010.0, 1990.0, 35.0, 1.5, 0.715, x[near], y[near], step_m=100.0)
    even = EvenGround(1.5, 100.0).table(35.0, 0.715, reach)
    share = np.linspace(0, reach, POINTS)
    added = loss - np.interp(d[near], share, even)
    most = np.interp(d[near], share, spare)
    # reading the grid between radials costs some dB: cells far from the limit must agree
    clear = np.abs(added - most) > 6.0
    told = np.isin(near, sorted(cells))
    assert clear.any()
    agree = told[clear] == (added > most)[clear]
    print(f"{agree.mean():.3f} of {clear.sum()} agree, {told.sum()} hidden")
    assert agree.mean() > 0.95


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 10_000))
def test_the_combined_loss_is_never_below_the_statistical_one(seed):
    one = np.ones(1)
    masts = Masts(2010.0 * one, 1990.0 * one, 35.0 * one, 0.715 * one, 1500.0 * one,
                  np.array(["RMa"], object))  # fmt: skip
    flat = Terrain(np.zeros((SIDE, SIDE), np.float32), GRID[0], GRID[1], CELL_M)
    found = {}
    for name, terrain in (("flat", flat), ("hills", hills(seed))):
        (_, (row0, col0, loss)), = combined(
            terrain, masts, np.zeros(1, np.int64), 1.5, Cells(), lambda: False
        )  # fmt: skip
        found[name] = loss
    row, col = np.indices(loss.shape)
    d = np.hypot(
        CELL_M * (col0 + col + 0.5) - 2010.0, GRID[1] - CELL_M * (row0 + row + 0.5) - 1990.0
    )
    near = d <= 1500.0
    mean = path_loss("RMa", np.maximum(d, 10.0), 0.715, 35.0, 1.5).loss_db
    assert found["flat"][near] == pytest.approx(mean[near], abs=0.05)
    assert (found["hills"][near] >= mean[near] - 0.05).all()
    assert np.isnan(found["hills"][~near]).all()
