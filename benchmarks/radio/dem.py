"""Seeded fractal ground for the terrain benchmarks: an HGT tile, and the same on a metric grid.

The tile is synthetic: a power-law spectrum (amplitude ~ k^-2, waves longer than 2,000 cells left
out), heights 100 to 1,000 m, numpy seed 7, 3601 x 3601 samples of one arc second, named as the cell
34N 113E. The metric grid is azimuthal equidistant round the transmitter, so that straight lines
from it are geodesics and distances from it are true.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

LATITUDE, LONGITUDE = 34.5, 113.5
SIZE = 3601
WAVES = 4096


def make_heights(seed: int = 7) -> np.ndarray:
    """Return the tile, (SIZE, SIZE) int16, row 0 = 35N, column 0 = 113E."""
    rng = np.random.default_rng(seed)
    along, across = np.fft.fftfreq(WAVES)[:, None], np.fft.rfftfreq(WAVES)[None, :]
    wave_number = np.hypot(along, across)
    wave_number[0, 0] = 1.0
    amplitude = np.where(wave_number < 1.0 / 2000.0, 0.0, wave_number**-2.0)
    amplitude[0, 0] = 0.0
    shape = amplitude.shape
    noise = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    field = np.fft.irfft2(amplitude * noise, s=(WAVES, WAVES))[:SIZE, :SIZE]
    unit = (field - field.min()) / np.ptp(field)
    return np.round(100.0 + 900.0 * unit**1.6).astype(np.int16)


def write_hgt(folder: Path) -> Path:
    """Write the tile as HGT once; return its path."""
    path = folder / "N34E113.hgt"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make_heights().astype(">i2").tofile(path)
    return path


def read_hgt(path: Path) -> np.ndarray:
    return np.fromfile(path, ">i2").reshape(SIZE, SIZE).astype(np.int16)


def projection():
    from pyproj import Proj

    return Proj(proj="aeqd", lat_0=LATITUDE, lon_0=LONGITUDE, ellps="WGS84")


def metric_heights(tile: np.ndarray, half: int, cell_m: float) -> np.ndarray:
    """Return heights at the centres of a square grid round the transmitter, bilinear, float32."""
    place = (np.arange(2 * half + 1) - half) * cell_m
    longitude, latitude = projection()(
        np.broadcast_to(place[None, :], (place.size, place.size)),
        np.broadcast_to(-place[:, None], (place.size, place.size)),
        inverse=True,
    )
    row = (35.0 - np.asarray(latitude)) * 3600.0
    col = (np.asarray(longitude) - 113.0) * 3600.0
    r, c = row.astype(int), col.astype(int)
    v, u = row - r, col - c
    h = tile.astype(np.float32)
    top = h[r, c] * (1 - u) + h[r, c + 1] * u
    low = h[r + 1, c] * (1 - u) + h[r + 1, c + 1] * u
    return (top * (1 - v) + low * v).astype(np.float32)
