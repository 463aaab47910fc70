"""Loss of given profiles by a Python peer, in the peer's own interpreter: imports nothing of ours.

Run: ``python peer_profiles.py NAME profiles.npz out.npz [--py1812 FOLDER]`` with NAME one of
py1812, itmlogic, pycraf. The file of profiles holds ``height`` and ``clutter`` (n, m) padded,
``count`` (points of each), ``step_m``, ``frequency_ghz``. Antennas stand 30 m and 1.5 m high.
Imports are not timed.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings

import numpy as np


def py1812(f: float, step_m: float, folder: str | None):
    sys.path.insert(0, folder or "")
    from Py1812 import P1812

    def loss(h, clutter):
        d = np.arange(h.size) * step_m / 1000.0
        zone = np.full(h.size, 4)
        place = (34.5, 34.6, 113.5, 113.6)
        value, _ = P1812.bt_loss(
            f, 50, d, h.copy(), clutter.copy(), zone, 30.0, 1.5, 2, *place, DN=45, N0=325
        )
        return float(np.squeeze(value))

    return loss


def itmlogic(f: float, step_m: float, _folder: str | None):
    from itmlogic.preparatory_subroutines.qlrpfl import qlrpfl
    from itmlogic.statistics.avar import avar

    def loss(h, _clutter):
        prop = {"fmhz": f * 1000.0, "d": (h.size - 1) * step_m / 1000.0, "hg": [30.0, 1.5]}
        prop |= {"ipol": 1, "eps": 15.0, "sgm": 0.005, "klim": 5, "ens0": 301.0, "lvar": 5}
        prop |= {"mdvar": 12, "mdvarx": 12, "klimx": 0, "kwx": 0}
        prop["wn"] = prop["fmhz"] / 47.7
        prop["ens"] = 301.0
        prop["gma"] = 157e-9
        prop["gme"] = 157e-9 * (1.0 - 0.04665 * np.exp(prop["ens"] / 179.3))
        q = complex(15.0, 376.62 * 0.005 / prop["wn"])
        prop["zgnd"] = np.sqrt(q - 1.0) / q
        prop["pfl"] = [h.size - 1, step_m, *h]
        prop = qlrpfl(prop)
        attenuation, _ = avar(0.0, 0.0, 0.0, prop)
        return 32.45 + 20.0 * np.log10(prop["fmhz"] * prop["dist"] / 1000.0) + attenuation

    return loss


def pycraf(f: float, step_m: float, _folder: str | None):
    from astropy import units as u
    from pycraf import pathprof

    def loss(h, _clutter):
        d = np.arange(h.size) * step_m / 1000.0
        prop = pathprof.PathProp(
            f * u.GHz,
            288.15 * u.K,
            1013.25 * u.hPa,
            113.5 * u.deg,
            34.5 * u.deg,
            113.5 * u.deg,
            (34.5 + d[-1] / 110.93) * u.deg,
            30.0 * u.m,
            1.5 * u.m,
            step_m * u.m,
            50.0 * u.percent,
            polarization=1,
            delta_N=45.0 / u.km,
            N0=325.0 * u.dimensionless_unscaled,
            hprof_dists=d * u.km,
            hprof_heights=h * u.m,
            hprof_bearing=0.0 * u.deg,
            hprof_backbearing=180.0 * u.deg,
        )
        return float(pathprof.loss_complete(prop)[4].to_value())

    return loss


MODELS = {"py1812": py1812, "itmlogic": itmlogic, "pycraf": pycraf}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=MODELS)
    parser.add_argument("profiles")
    parser.add_argument("out")
    parser.add_argument("--py1812")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    given = np.load(args.profiles)
    f, step_m = float(given["frequency_ghz"]), float(given["step_m"])
    loss = MODELS[args.name](f, step_m, args.py1812)
    height, clutter, count = given["height"], given["clutter"], given["count"]
    loss(height[0, : count[0]], clutter[0, : count[0]])  # first call: caches and tables
    start = time.process_time()
    found = np.array([loss(h[:n], c[:n]) for h, c, n in zip(height, clutter, count, strict=True)])
    np.savez(args.out, loss=found, cpu_s=time.process_time() - start)


if __name__ == "__main__":
    main()
