"""Scenarios of 3GPP TR 38.901 (release 17): names, stated ranges, clutter of factories.

References
----------
3GPP TR 38.901 V17, Tables 7.2-4, 7.4.1-1, 7.8-7.
"""

from __future__ import annotations

from typing import NamedTuple

from groundplan.engine.radio.arguments import plain

__all__ = ["CLUTTER", "MODELS", "Clutter", "Model", "model_name"]

STANDARD = "3GPP TR 38.901"
ANY_M = (0.0, float("inf"))


class Model(NamedTuple):
    """Ranges of a scenario, and what a link budget takes from its table.

    Attributes
    ----------
    distance_m, distance_nlos_max_m : (float, float), float
        From, to (LOS), and to (NLOS and mean), m: on the ground outdoors, in space indoors.
    frequency_ghz, base_height_m, terminal_height_m : (float, float)
        From, to; 0 to infinity where the report states none.
    sigma_nlos_db : float
        Shadow fading without sight.
    indoor_m : float
        Largest depth inside a building; the depth is the lesser of two even draws. 0 for
        scenarios that lie wholly inside.
    sigma_los_db : float
        Shadow fading with sight; RMa takes 6 dB beyond its break distance.
    sigma_optional_db : float
        Shadow fading of the optional loss without sight; 0 where the report has none.
    is_in_space : bool
        Whether `distance_m` is the distance in space.
    """

    distance_m: tuple[float, float]
    distance_nlos_max_m: float
    frequency_ghz: tuple[float, float]
    base_height_m: tuple[float, float]
    terminal_height_m: tuple[float, float]
    sigma_nlos_db: float
    indoor_m: float
    sigma_los_db: float = 4.0
    sigma_optional_db: float = 0.0
    is_in_space: bool = False


class Clutter(NamedTuple):
    """Machines and shelves of a factory hall (Table 7.2-4).

    Attributes
    ----------
    size_m : float
        Typical width of the clutter, > 0.
    density_ratio : float
        Share of the floor that it covers, > 0 and < 1.
    height_m : float
        Its effective height.
    """

    size_m: float
    density_ratio: float
    height_m: float


def _hall(sigma_nlos_db: float) -> Model:
    """Return a factory scenario; they differ in loss and spread without sight alone."""
    return Model(
        (1.0, 600.0), 600.0, (0.5, 100.0), ANY_M, ANY_M, sigma_nlos_db, 0.0, 4.3, is_in_space=True
    )


def _office() -> Model:
    """Return an office scenario; they differ in the probability of sight alone."""
    return Model(
        (1.0, 150.0), 150.0, (0.5, 100.0), ANY_M, ANY_M, 8.03, 0.0, 3.0, 8.29, is_in_space=True
    )


MODELS: dict[str, Model] = {
    f"{STANDARD} UMa": Model(
        (10.0, 5000.0), 5000.0, (0.5, 100.0), (25.0, 25.0), (1.5, 22.5), 6.0, 25.0, 4.0, 7.8
    ),
    f"{STANDARD} UMi": Model(
        (10.0, 5000.0), 5000.0, (0.5, 100.0), (10.0, 10.0), (1.5, 22.5), 7.82, 25.0, 4.0, 8.2
    ),
    f"{STANDARD} RMa": Model(
        (10.0, 10000.0), 5000.0, (0.5, 30.0), (10.0, 150.0), (1.0, 10.0), 8.0, 10.0
    ),
    f"{STANDARD} InH mixed office": _office(),
    f"{STANDARD} InH open office": _office(),
    f"{STANDARD} InF-SL": _hall(5.7),
    f"{STANDARD} InF-DL": _hall(7.2),
    f"{STANDARD} InF-SH": _hall(5.9),
    f"{STANDARD} InF-DH": _hall(4.0),
    f"{STANDARD} InF-HH": _hall(0.0),
}

#: Clutter that the report's own calibration takes (Table 7.8-7): sparse, and dense.
_SPARSE, _DENSE = Clutter(10.0, 0.2, 2.0), Clutter(2.0, 0.6, 6.0)
CLUTTER: dict[str, Clutter] = {
    "SL": _SPARSE,
    "DL": _DENSE,
    "SH": _SPARSE,
    "DH": _DENSE,
    "HH": _SPARSE,
}


_SHORT = {plain(name.removeprefix(STANDARD)): name for name in MODELS}
_SHORT |= {
    "inh": f"{STANDARD} InH mixed office",
    "inhoffice": f"{STANDARD} InH mixed office",
    "inhmixed": f"{STANDARD} InH mixed office",
    "inhopen": f"{STANDARD} InH open office",
    "umistreetcanyon": f"{STANDARD} UMi",
}


def model_name(model: str) -> str:
    """Return the full name of a scenario; its short name does as well, in any spelling.

    Examples
    --------
    >>> model_name("UMa"), model_name("InH")
    ('3GPP TR 38.901 UMa', '3GPP TR 38.901 InH mixed office')
    """
    short = plain(model).removeprefix("3gpp").removeprefix("tr").removeprefix("38901")
    if short not in _SHORT:
        raise ValueError(f"model must be one of {', '.join(MODELS)}; got {model!r}")
    return _SHORT[short]
