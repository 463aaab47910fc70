"""Speed of ITM on one core, beside NTIA's own code and itmlogic, on the same seeded profiles.

    python benchmarks/radio/itm.py [--ntia libitm.so] [--paths 20000]

itmlogic is run where it is installed (``pip install itmlogic``), NTIA's code where a shared
library built from it is named: its `src/*.cpp` compiled with ``g++ -O2 -shared -fPIC``, the
backslashes of its includes and ``__declspec(dllexport)`` replaced. Prints paths per CPU second, the
best of five, the ratio to each peer and the largest difference of the losses. Profiles are random
walks: synthetic.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import os
import time

os.environ["GROUNDPLAN_THREADS"] = "1"

import numpy as np

from groundplan.radio import itm_profile

RADIO = {"frequency_ghz": 0.7, "tx_height_m": 30.0, "rx_height_m": 1.5}
#: Points and spacing of a mean path in a square of 20 km, at 30 m and at 100 m.
CASES = ((255, 30.0), (78, 100.0))
REPEATS = 5
PEER_PATHS = 200


def best_s(call, repeats=REPEATS):
    """Return the least CPU seconds of a few calls, and the last answer."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        answer = call()
        spent.append(time.process_time() - start)
    return min(spent), answer


def ntia(library, height_m, step_m):
    """Return a call of NTIA's code over all profiles."""
    double = ctypes.c_double
    function = ctypes.CDLL(library).ITM_P2P_TLS
    n_path, n_point = height_m.shape
    pfl = np.column_stack([np.full(n_path, n_point - 1.0), np.full(n_path, step_m), height_m])
    loss, warned = double(), ctypes.c_long()
    tail = (
        5, double(301.0), double(700.0), 1, double(15.0), double(0.005), 12, double(50.0),
        double(50.0), double(50.0), ctypes.byref(loss), ctypes.byref(warned),
    )  # fmt: skip
    rows = [ctypes.c_void_p(pfl.ctypes.data + row * pfl.strides[0]) for row in range(n_path)]

    def call():
        told = np.empty(n_path)
        for k, row in enumerate(rows):
            function(double(30.0), double(1.5), row, *tail)
            told[k] = loss.value
        assert pfl.shape[0] == n_path  # the pointers look into it
        return told

    return call


def itmlogic(height_m, step_m):
    """Return a call of itmlogic over the profiles, as its own point-to-point script does."""
    from itmlogic.misc.qerfi import qerfi
    from itmlogic.preparatory_subroutines.qlrpfl import qlrpfl
    from itmlogic.preparatory_subroutines.qlrps import qlrps
    from itmlogic.statistics.avar import avar

    def one(h):
        n_step = len(h) - 1
        prop = {
            "fmhz": 700.0, "hg": [30.0, 1.5], "kwx": 0, "lvar": 5, "mdvar": 12, "mdvarx": 12,
            "klim": 5, "klimx": 0, "pfl": [n_step, step_m, *h],
        }  # fmt: skip
        skip = int(0.1 * n_step)
        mean = float(np.mean(h[skip : n_step - skip + 1]))
        prop["wn"], prop["gme"], prop["ens"], prop["zgnd"] = qlrps(700.0, mean, 301, 1, 15, 0.005)
        prop = qlrpfl(prop)
        free = 32.45 + 20 * np.log10(700.0 * prop["dist"] / 1000)
        return free + avar(0.0, 0.0, qerfi([0.5])[0], prop)[0]

    return lambda: np.array([one(h.tolist()) for h in height_m])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ntia", help="shared library of NTIA's code")
    parser.add_argument("--paths", type=int, default=20_000)
    asked = parser.parse_args()
    rng = np.random.default_rng(7)
    for n_point, step_m in CASES:
        height_m = 300 + np.cumsum(rng.normal(0, 4, (asked.paths, n_point)), axis=1)
        km = np.arange(n_point) * step_m / 1000

        def ours(km=km, height_m=height_m):
            return itm_profile(km, height_m, **RADIO).loss_db

        ours()
        own_s, loss = best_s(ours)
        own = asked.paths / own_s
        print(f"{n_point} points: groundplan {own:,.0f} paths per CPU second")
        if asked.ntia:
            peer_s, told = best_s(ntia(asked.ntia, height_m, step_m))
            peer = asked.paths / peer_s
            gap = np.abs(told - loss).max()
            print(f"  NTIA {peer:,.0f}: ratio {own / peer:.1f}, difference {gap:.1e} dB")
        if importlib.util.find_spec("itmlogic"):
            few = height_m[:PEER_PATHS]
            peer_s, told = best_s(itmlogic(few, step_m), 3)
            peer = len(few) / peer_s
            gap = np.abs(told - loss[: len(few)])
            print(
                f"  itmlogic {peer:,.0f}: ratio {own / peer:.0f}, difference median "
                f"{np.median(gap):.2f}, largest {gap.max():.2f} dB"
            )


if __name__ == "__main__":
    main()
