"""Seeded fractal terrain for tests, benchmarks and demonstrations: never a real place.

Random phases and amplitudes falling with a power of the wave number give a self-affine surface;
heights are then spread between two levels with a power that makes valleys wide and tops narrow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.region.frame import frame_of
from groundplan.region.terrain import TerrainRaster

__all__ = ["fractal_heights", "fractal_terrain"]


def fractal_heights(
    n_row: int, n_col: int, *, seed: int = 7, low_m: float = 100.0, high_m: float = 1000.0,
    fall: float = 2.0, skew: float = 1.6, longest: float = 2000.0,
) -> NDArray[np.float32]:  # fmt: skip
    """Return the heights of a fractal surface.

    Parameters
    ----------
    n_row, n_col : int
    seed : int
        Equal seeds and sizes give equal heights.
    low_m, high_m : float
        Least and largest height.
    fall : float
        Amplitude falls with the wave number to this power: 2 for hills, 1.5 for rough country.
    skew : float
        Heights, as shares of the range, are raised to this power; 1 leaves them.
    longest : float
        Longest wave, in cells.

    Returns
    -------
    (n_row, n_col) float32
        m
    """
    if min(n_row, n_col) < 2 or not low_m < high_m:
        raise ValueError("n_row and n_col must be 2 or more, low_m below high_m.")
    from scipy.fft import irfft2, next_fast_len

    # a surface from waves repeats itself: half of one more size keeps opposite edges apart
    size = next_fast_len(max(n_row, n_col) + max(n_row, n_col) // 8, real=True)
    rng = np.random.Generator(np.random.PCG64(seed))
    wave = np.hypot(np.fft.rfftfreq(size)[None, :], np.fft.fftfreq(size)[:, None])
    wave[0, 0] = 1.0
    amplitude = wave**-fall
    amplitude[wave < 1 / longest] = 0.0
    amplitude[0, 0] = 0.0
    spectrum = rng.standard_normal(wave.shape) + 1j * rng.standard_normal(wave.shape)
    spectrum *= amplitude
    surface = irfft2(spectrum, s=(size, size))[:n_row, :n_col]
    surface -= surface.min()
    surface /= surface.max()
    heights: NDArray[np.float32] = (low_m + (high_m - low_m) * surface**skew).astype(np.float32)
    return heights


def fractal_terrain(
    where: Any, crs: str | None = None, cell_m: float | None = None, *, seed: int = 7, **form: float
) -> TerrainRaster:
    """Return fractal terrain on metric cells, marked synthetic.

    Parameters
    ----------
    where, crs, cell_m
        The cells; see `frame_of`.
    seed : int
    **form
        See `fractal_heights`.

    Returns
    -------
    TerrainRaster
    """
    frame = frame_of(where, crs, cell_m)
    height = fractal_heights(frame.n_row, frame.n_col, seed=seed, **form)
    return TerrainRaster(
        height, frame.x0_m, frame.y0_m, frame.cell_m, frame.crs, is_synthetic=True,
        sources=(f"synthetic fractal terrain, seed {seed}",), vertical_datum="none: synthetic",
        note=f"synthetic fractal terrain on cells of {frame.cell_m:g} m, seed {seed}",
    )  # fmt: skip
