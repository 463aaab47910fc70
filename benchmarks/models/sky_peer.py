"""The peer of ``sky.py``: dilution of precision of given satellites by RTKLIB's ``dops``.

Reads ``[[azimuth_rad, elevation_rad], ...]`` of each epoch as JSON on standard input and prints
GDOP, PDOP, HDOP and VDOP of each. Needs pyrtklib.
"""

import json
import sys

import pyrtklib


def dops(pairs: list[list[float]]) -> list[float]:
    angles = pyrtklib.Arr1Ddouble(2 * len(pairs))
    for k, (azimuth, elevation) in enumerate(pairs):
        angles[2 * k], angles[2 * k + 1] = azimuth, elevation
    told = pyrtklib.Arr1Ddouble(4)
    pyrtklib.dops(len(pairs), angles, 0.0, told)
    return [told[k] for k in range(4)]


if __name__ == "__main__":
    print(json.dumps([dops(pairs) for pairs in json.load(sys.stdin)]))
