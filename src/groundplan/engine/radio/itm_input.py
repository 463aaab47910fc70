"""Arguments and answers of ITM: ranges, flags and the checks that both modes share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.radio.arguments import above, between, verticals
from groundplan.engine.radio.itm_kernel import GIVEN, OUT
from groundplan.engine.radio.itm_variability import climate_names, normal_deviate

__all__ = ["FLAGS", "RANGES", "SITINGS", "ItmLoss", "itm_warnings"]

MODEL, VERSION = "ITM", "1.4"
#: Ranges of the model as NTIA states them; outside, ``valid`` is False.
RANGES = {
    "frequency_ghz": (0.02, 20.0),
    "tx_height_m": (0.5, 3000.0),
    "rx_height_m": (0.5, 3000.0),
    "n0": (250.0, 400.0),
    "surface_refractivity": (150.0, 400.0),
    "effective_earth_radius_km": (4000.0, 13333.333),
}
#: Ranges beyond which NTIA warns.
COMFORT = {
    "tx_height_m": (0x1, 1.0, 1000.0),
    "rx_height_m": (0x2, 1.0, 1000.0),
    "frequency_ghz": (0x4, 0.04, 10.0),
}
FAILED = {
    "frequency_ghz": 0x10000,
    "tx_height_m": 0x20000,
    "rx_height_m": 0x40000,
    "n0": 0x80000,
}
#: Bits of ``flags``. Up to 0x4000 they are NTIA's own warnings; from 0x10000 a range failed.
FLAGS = {
    0x1: "tx_height_m near its limits (1 to 1000 m)",
    0x2: "rx_height_m near its limits (1 to 1000 m)",
    0x4: "frequency_ghz near its limits (0.04 to 10 GHz)",
    0x8: "distance above 1000 km",
    0x10: "distance above 2000 km: doubtful",
    0x20: "distance small against the difference of the effective heights",
    0x40: "distance below 1 km: doubtful",
    0x80: "elevation angle to the transmitter's horizon above 0.2 rad",
    0x100: "elevation angle to the receiver's horizon above 0.2 rad",
    0x200: "transmitter's horizon nearer than a tenth of the smooth earth's",
    0x400: "receiver's horizon nearer than a tenth of the smooth earth's",
    0x800: "transmitter's horizon farther than three times the smooth earth's",
    0x1000: "receiver's horizon farther than three times the smooth earth's",
    0x2000: "a percentage far in the tail of its distribution",
    0x4000: "surface refractivity 150 to 250 N-units: doubtful",
    0x10000: "frequency_ghz outside 0.02 to 20 GHz",
    0x20000: "tx_height_m outside 0.5 to 3000 m",
    0x40000: "rx_height_m outside 0.5 to 3000 m",
    0x80000: "n0 outside 250 to 400 N-units",
    0x100000: "surface refractivity below 150 N-units",
    0x200000: "surface refractivity above 400 N-units",
    0x400000: "effective earth radius outside 4000 to 13333 km",
    0x800000: "ground: reactance of the transfer impedance above its resistance",
    0x1000000: "diffraction not defined for this ground and horizon (no loss is given)",
}
FIRST_FAILURE = 0x10000
#: As the files of NTIA number them.
POLARISATIONS = {0: "horizontal", 1: "vertical"}
SITINGS = ("random", "careful", "very careful")


class ItmLoss(NamedTuple):
    """Loss of each path; all fields but the last are those of every profile model.

    Attributes
    ----------
    loss_db : float or (n_path,) float64
        Basic transmission loss, dB; NaN where the model has none (``valid`` is False).
    sigma_db : float or (n_path,) float64
        Spread among locations of like terrain, dB, whatever ``mdvar`` lets count.
    valid : bool or (n_path,) bool
        False where a range of the model failed (`RANGES`).
    intermediates : dict of str to array, or None
        On request: mechanism (1 line of sight, 2 diffraction, 3 troposcatter), reference
        attenuation, free space, terrain irregularity, surface refractivity, and both ends' horizon
        angle, horizon distance and effective height.
    field_strength_dbuvm : None
        The model states none.
    why : tuple of str
        One sentence for each range that some path leaves.
    flags : int or (n_path,) int64
        Warnings and failed ranges as bits, in words by `itm_warnings`.
    """

    loss_db: Any
    sigma_db: Any
    valid: Any
    intermediates: dict[str, Any] | None
    field_strength_dbuvm: None
    why: tuple[str, ...]
    flags: Any


def itm_warnings(flags: int) -> tuple[str, ...]:
    """Return the words of each bit that is set.

    Examples
    --------
    >>> itm_warnings(0x10040)
    ('distance below 1 km: doubtful', 'frequency_ghz outside 0.02 to 20 GHz')
    """
    return tuple(words for bit, words in FLAGS.items() if int(flags) & bit)


def whole(name: str, value: Any, allowed: tuple[int, ...], hint: str) -> NDArray[np.int64]:
    """Return an argument as whole numbers of a list, or say which value is not among them."""
    x = np.asarray(value)
    good = np.isin(x, allowed)
    if not good.all():
        raise ValueError(f"{name} must be {hint}; got {x[~good].flat[0]}")
    return x.astype(np.int64)


def deviates(
    time_percent: Any,
    location_percent: Any,
    situation_percent: Any,
    reliability_percent: Any,
    confidence_percent: Any,
) -> list[NDArray[np.float64]]:
    """Return the normal deviates of time, location and situation from either set of names."""
    asked = {
        "time_percent": time_percent,
        "location_percent": location_percent,
        "situation_percent": situation_percent,
    }
    if reliability_percent is not None or confidence_percent is not None:
        for name, value in asked.items():
            if value is not None:
                raise ValueError(
                    "give either reliability_percent and confidence_percent, or time_percent, "
                    f"location_percent and situation_percent; got {name} = {value} as well"
                )
        asked = {
            "reliability_percent": reliability_percent,
            "location_percent": None,
            "confidence_percent": confidence_percent,
        }
    return [
        normal_deviate(between(name, 50.0 if value is None else value, 0.0, 100.0) / 100.0)
        for name, value in asked.items()
    ]


def ask(
    shape: tuple[int, ...],
    frequency_ghz: Any,
    tx_height_m: Any,
    rx_height_m: Any,
    n0: Any,
    eps_r: Any,
    sigma_s_per_m: Any,
    polarisation: Any,
    climate: Any,
    mdvar: Any,
    z: list[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Check what is common to both modes; return the kernel's `given` and the first flags.

    Parameters
    ----------
    shape : tuple of int
        Of the paths.
    z : list of array
        From `deviates`.
    frequency_ghz, tx_height_m, rx_height_m, n0, eps_r, sigma_s_per_m, polarisation, climate, mdvar
        As for `itm_profile`.

    Returns
    -------
    given : (n_path, n_given) float64
    flags : (n_path,) int64
    """
    f = above("frequency_ghz", frequency_ghz, 0.0)
    tx = above("tx_height_m", tx_height_m, 0.0)
    rx = above("rx_height_m", rx_height_m, 0.0)
    n0 = above("n0", n0, 0.0)
    eps = above("eps_r", eps_r, 1.0, is_open=False)
    sigma = above("sigma_s_per_m", sigma_s_per_m, 0.0)
    is_vertical = verticals(polarisation, POLARISATIONS)
    names = ", ".join(f"{i} {name}" for i, name in enumerate(climate_names(), start=1))
    zone = whole("climate", climate, tuple(range(1, 8)), f"one of {names}")
    modes = tuple(ten + one for ten in (0, 10, 20, 30) for one in range(4))
    mode = whole("mdvar", mdvar, modes, "0..3, 10..13, 20..23 or 30..33")
    permittivity = eps + 1j * 18000.0 * sigma / (f * 1000.0)
    impedance = np.sqrt(permittivity - 1.0)
    impedance = np.where(is_vertical, impedance / permittivity, impedance)

    columns = (f * 1000.0, tx, rx, n0, impedance.real, impedance.imag, *z, zone, mode)
    given = np.empty((int(np.prod(shape)), len(GIVEN)))
    for k, (name, column) in enumerate(zip(GIVEN, columns, strict=True)):
        try:
            given[:, k] = np.broadcast_to(column, shape).ravel()
        except ValueError:
            told = name.replace("frequency_mhz", "frequency_ghz")
            raise ValueError(
                f"the arguments must fit {shape} paths; {told} has shape {np.shape(column)}"
            ) from None
    flags = np.zeros(len(given), dtype=np.int64)
    checked = {"frequency_ghz": f, "tx_height_m": tx, "rx_height_m": rx, "n0": n0}
    for name, value in checked.items():
        full = np.broadcast_to(value, shape).ravel()
        low, high = RANGES[name]
        flags[(full < low) | (full > high)] |= FAILED[name]
        if name in COMFORT:
            bit, low, high = COMFORT[name]
            flags[(full < low) | (full > high)] |= bit
    return given, flags


def answer(
    out: NDArray[np.float64],
    flags: NDArray[np.int64],
    shape: tuple[int, ...],
    *,
    intermediates: bool,
) -> ItmLoss:
    """Return the kernel's output under its names, as numbers where the arguments were numbers."""
    flags |= out[:, OUT.index("flags")].astype(np.int64)
    columns = {name: out[:, k].reshape(shape) for k, name in enumerate(OUT) if name != "flags"}
    bits = flags.reshape(shape)
    loss, sigma = columns.pop("loss_db"), columns.pop("sigma_db")
    columns["mechanism"] = columns["mechanism"].astype(np.int64)
    valid = bits < FIRST_FAILURE
    some = int(np.bitwise_or.reduce(flags)) if flags.size else 0
    why = itm_warnings(some & ~(FIRST_FAILURE - 1))
    if shape == ():
        inner = {name: value[()].item() for name, value in columns.items()}
        told = inner if intermediates else None
        return ItmLoss(float(loss), float(sigma), bool(valid), told, None, why, int(bits))
    return ItmLoss(loss, sigma, valid, columns if intermediates else None, None, why, bits)
