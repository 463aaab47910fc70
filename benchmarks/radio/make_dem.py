"""Write the seeded fractal tile on which radio speed runs stand: `python make_dem.py [folder]`.

A tile of 1 arc second (3601 x 3601) as N34E113.hgt, 100 to 1000 m, seed 7, with the note beside it
that its heights are synthetic. Equal on every run; no download.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from groundplan.region.fractal import fractal_heights
from groundplan.region.hgt import write_hgt

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="dem", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--side", type=int, default=3601, choices=(1201, 3601))
    asked = parser.parse_args()
    heights = fractal_heights(asked.side, asked.side, seed=asked.seed)
    path = write_hgt(asked.folder, heights, 34, 113, is_synthetic=True)
    middle = asked.side // 2
    print(
        f"{path}: {heights.min():.0f} to {heights.max():.0f} m, deviation "
        f"{heights.std(dtype=np.float64):.1f} m, middle {heights[middle, middle]:.0f} m, synthetic"
    )
