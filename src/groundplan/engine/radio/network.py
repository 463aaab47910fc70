"""Masts, sectors, carriers and antenna patterns as arrays, with the names of 3GPP beside ours.

| here | 3GPP TS 28.541 (NR NRM) or TS 28.662 |
|---|---|
| `SiteTable.antenna_height_m` | AntennaFunction height |
| `SectorTable.azimuth_deg` | AntennaFunction bearing; beamAzimuth |
| `SectorTable.mechanical_tilt_deg` | AntennaFunction mechanicalOffset |
| `SectorTable.electrical_tilt_deg` | retTiltValue, digitalTilt |
| `SectorTable.pci` | NRCellDU nRPCI |
| `SectorTable.carrier` | the NRSectorCarrier that an NRCellDU refers to |
| `Carrier.nr_arfcn` | arfcnDL |
| `Carrier.bandwidth_mhz` | bSChannelBwDL |
| `Carrier.subcarrier_khz` | ssbSubCarrierSpacing, taken for data as well |
| `Carrier.eirp_dbm` | configuredMaxTxEIRP |
| `Carrier.offset_db` | cellIndividualOffset (TS 28.541 NRCellRelation) |

One row of a `SectorTable` is one NR cell: a sector that transmits on two carriers has two rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.radio.pathloss import MODELS, model_name
from groundplan.engine.radio.throughput import prb_table
from groundplan.errors import Findings

__all__ = ["Carrier", "SectorTable", "SiteTable", "arfcn_ghz", "check_network"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
#: NR-ARFCN: first number, first frequency (MHz), step (kHz); TS 38.104 Table 5.4.2.1-1.
ARFCN_RANGES = ((0, 0.0, 5.0), (600_000, 3000.0, 15.0), (2_016_667, 24_250.08, 60.0))
ARFCN_MAX = 3_279_165


def arfcn_ghz(nr_arfcn: int) -> float:
    """Return the reference frequency of an NR-ARFCN, GHz.

    Examples
    --------
    >>> round(arfcn_ghz(504990), 5)
    2.52495
    >>> round(arfcn_ghz(630000), 5)
    3.45
    """
    if not 0 <= nr_arfcn <= ARFCN_MAX:
        raise ValueError(f"nr_arfcn must be in 0..{ARFCN_MAX}; got {nr_arfcn}")
    first, start_mhz, step_khz = [r for r in ARFCN_RANGES if r[0] <= nr_arfcn][-1]
    return (start_mhz + (nr_arfcn - first) * step_khz / 1000.0) / 1000.0


@dataclass(frozen=True)
class Carrier:
    """A carrier as many sectors transmit it.

    Attributes
    ----------
    name : str
    bandwidth_mhz : float
        Channel bandwidth, MHz; one that `prb_table` has for `subcarrier_khz`.
    eirp_dbm : float
        Radiated power of the whole carrier in the main beam, dBm.
    frequency_ghz, nr_arfcn : float, int
        One of the two.
    subcarrier_khz : float
        15, 30, 60 or 120.
    channel : str, optional
        Carriers of one channel disturb each other; by default those of equal frequency do.
    offset_db : float
        Added to the power where servers are ranked, never to the power itself.
    reach_m : float, optional
        Ground distance up to which a sector is looked at; by default the lesser of the model's
        range and the distance at which the main beam lies `DROP_DB` below the noise.
    """

    name: str
    bandwidth_mhz: float
    eirp_dbm: float
    frequency_ghz: float = 0.0
    nr_arfcn: int | None = None
    subcarrier_khz: float = 30.0
    channel: str | None = None
    offset_db: float = 0.0
    reach_m: float | None = None

    def __post_init__(self) -> None:
        found = Findings(f"carrier {self.name}")
        if self.nr_arfcn is not None:
            if self.frequency_ghz:
                found.add(0, "nr_arfcn", self.nr_arfcn, "either nr_arfcn or frequency_ghz")
            elif not 0 <= self.nr_arfcn <= ARFCN_MAX:
                found.add(0, "nr_arfcn", self.nr_arfcn, f"in 0..{ARFCN_MAX}")
            else:
                object.__setattr__(self, "frequency_ghz", arfcn_ghz(self.nr_arfcn))
        if self.nr_arfcn is None and not 0.1 <= self.frequency_ghz <= 100.0:
            found.add(0, "frequency_ghz", self.frequency_ghz, "in 0.1..100 GHz", "is it in MHz?")
        widths = prb_table().get(float(self.subcarrier_khz))
        if widths is None:
            found.add(0, "subcarrier_khz", self.subcarrier_khz, "15, 30, 60 or 120 kHz")
        elif self.bandwidth_mhz not in widths:
            shown = ", ".join(f"{w:g}" for w in widths)
            found.add(0, "bandwidth_mhz", self.bandwidth_mhz,
                      f"one of {shown} MHz at {self.subcarrier_khz:g} kHz")  # fmt: skip
        if not -50.0 <= self.eirp_dbm <= 100.0:
            found.add(0, "eirp_dbm", self.eirp_dbm, "in -50..100 dBm")
        if not -40.0 <= self.offset_db <= 40.0:
            found.add(0, "offset_db", self.offset_db, "in -40..40 dB")
        if self.reach_m is not None and not 0.0 < self.reach_m <= 100_000.0:
            found.add(0, "reach_m", self.reach_m, "> 0 and <= 100,000 m")
        found.raise_if_any()

    @property
    def n_prb(self) -> int:
        """Resource blocks."""
        return prb_table()[float(self.subcarrier_khz)][float(self.bandwidth_mhz)]

    @property
    def element_dbm(self) -> float:
        """Radiated power of one resource element in the main beam, dBm."""
        return self.eirp_dbm - 10.0 * float(np.log10(12 * self.n_prb))


def column(value: ArrayLike | None, n: int, default: float = 0.0) -> FloatArray:
    """Return a column of `n` floats; a single number stands for all rows."""
    raw = np.asarray(default if value is None else value, dtype=np.float64)
    return np.broadcast_to(raw, (n,)).copy() if raw.ndim == 0 else np.ascontiguousarray(raw)


def check_column(
    found: Findings, name: str, value: NDArray[Any], n: int, low: float, high: float, unit: str
) -> bool:
    """Note a column of the wrong length and every row outside its bounds."""
    if value.shape != (n,):
        found.add(0, name, f"shape {value.shape}", f"{n} rows")
        return False
    bad = ~((value >= low) & (value <= high))
    for row in np.flatnonzero(bad):
        found.add(int(row) + 2, name, value[row], f"in {low:g}..{high:g} {unit}".strip())
    return not bad.any()


class SiteTable:
    """Masts: where antennas hang, and in which surroundings.

    Parameters
    ----------
    x_m, y_m : (n_site,) array
        Easting and northing, m, in the system of the grid.
    antenna_height_m : float or (n_site,) array
        Above ground, m.
    model : str or (n_site,) array of str
        Path loss model of the surroundings, as for `path_loss`; the terrain engines do not use it.
    ground_m : (n_site,) array, optional
        Ground above sea level, m; the terrain engines read it from the terrain where it is left
        out.

    Raises
    ------
    DataError
        With every bad row; row 2 is the first, as in a file with a header.
    """

    def __init__(
        self,
        x_m: ArrayLike,
        y_m: ArrayLike,
        antenna_height_m: ArrayLike,
        model: ArrayLike = "UMa",
        ground_m: ArrayLike | None = None,
    ) -> None:
        found = Findings("sites")
        self.x_m = np.atleast_1d(np.asarray(x_m, np.float64))
        n = self.x_m.size
        self.y_m = column(y_m, n)
        self.antenna_height_m = column(antenna_height_m, n)
        self.ground_m = None if ground_m is None else column(ground_m, n)
        check_column(found, "x_m", self.x_m, n, -1e8, 1e8, "m")
        check_column(found, "y_m", self.y_m, n, -1e8, 1e8, "m")
        check_column(found, "antenna_height_m", self.antenna_height_m, n, 1.0, 500.0, "m")
        if self.ground_m is not None:
            check_column(found, "ground_m", self.ground_m, n, -500.0, 9000.0, "m")
        names = np.asarray(model, dtype=object)
        self.models = tuple(MODELS)
        if names.ndim == 0:
            self.model = np.full(n, self._code(found, str(names), 0), np.int32)
        elif names.shape != (n,):
            found.add(0, "model", f"shape {names.shape}", f"{n} rows")
            self.model = np.zeros(n, np.int32)
        else:
            kinds, where = np.unique(names.astype(str), return_inverse=True)
            code = {k: self._code(None, k, 0) for k in kinds}
            self.model = np.array([code[k] for k in kinds], np.int32)[where]
            for row in np.flatnonzero(self.model < 0):
                self._code(found, str(names[row]), int(row) + 2)
        found.raise_if_any()

    def _code(self, found: Findings | None, name: str, row: int) -> int:
        try:
            return self.models.index(model_name(name))
        except ValueError:
            if found is not None:
                found.add(row, "model", name, f"one of {', '.join(self.models)}")
            return -1

    def __len__(self) -> int:
        return int(self.x_m.size)


class SectorTable:
    """Sectors: which way the antennas of a mast look, and on what they transmit.

    Parameters
    ----------
    site : (n_sector,) array of int
        Row of the site table, 0-based.
    azimuth_deg : float or (n_sector,) array
        Clockwise from north, 0..360.
    mechanical_tilt_deg, electrical_tilt_deg : float or (n_sector,) array
        Downwards positive. The table engine adds them; see docs/radio/coverage.md.
    pattern, carrier : int or (n_sector,) array
        Index into the patterns and carriers given to `coverage`.
    eirp_dbm : float or (n_sector,) array, optional
        In place of the carrier's; NaN keeps it.
    pci : (n_sector,) array of int, optional
        Physical cell identity, 0..1007; kept, not used.
    """

    def __init__(
        self,
        site: ArrayLike,
        azimuth_deg: ArrayLike,
        mechanical_tilt_deg: ArrayLike = 0.0,
        electrical_tilt_deg: ArrayLike = 0.0,
        pattern: ArrayLike = 0,
        carrier: ArrayLike = 0,
        eirp_dbm: ArrayLike | None = None,
        pci: ArrayLike | None = None,
    ) -> None:
        found = Findings("sectors")
        raw = np.atleast_1d(np.asarray(site, np.float64))
        n = raw.size
        check_column(found, "site", raw, n, 0, 2**31 - 1, "(row of the site table)")
        angles = {
            "azimuth_deg": (azimuth_deg, 0.0, 360.0),
            "mechanical_tilt_deg": (mechanical_tilt_deg, -30.0, 30.0),
            "electrical_tilt_deg": (electrical_tilt_deg, -30.0, 30.0),
        }
        columns = {name: column(v[0], n) for name, v in angles.items()}
        for name, (_, low, high) in angles.items():
            check_column(found, name, columns[name], n, low, high, "degrees")
        self.azimuth_deg = columns["azimuth_deg"]
        self.mechanical_tilt_deg = columns["mechanical_tilt_deg"]
        self.electrical_tilt_deg = columns["electrical_tilt_deg"]
        indices = {"pattern": column(pattern, n), "carrier": column(carrier, n)}
        for name, value in indices.items():
            check_column(found, name, value, n, 0, 4095, "(index)")
        power = column(eirp_dbm, n, np.nan)
        given = np.where(np.isnan(power), 0.0, power)
        check_column(found, "eirp_dbm", given, n, -50.0, 100.0, "dBm")
        identity = None if pci is None else column(pci, n)
        if identity is not None:
            check_column(found, "pci", identity, n, 0, 1007, "")
        found.raise_if_any()
        self.site = raw.astype(np.int32)
        self.pattern = indices["pattern"].astype(np.int32)
        self.carrier = indices["carrier"].astype(np.int32)
        self.eirp_dbm = power
        self.pci = None if identity is None else identity.astype(np.int32)

    def __len__(self) -> int:
        return int(self.site.size)


def check_network(
    sites: SiteTable, sectors: SectorTable, carriers: Sequence[Carrier], n_pattern: int
) -> None:
    """Raise with every sector that names a site, pattern or carrier that is not there."""
    found = Findings("sectors")
    if not len(sectors):
        found.add(0, "site", "no row", "at least one sector")
    for name, n, table in (
        ("site", len(sites), "the site table"),
        ("carrier", len(carriers), "the carriers"),
        ("pattern", n_pattern, "the patterns"),
    ):
        value = getattr(sectors, name)
        for row in np.flatnonzero(value >= n):
            found.add(int(row) + 2, name, value[row], f"0..{n - 1}, a row of {table}")
    found.raise_if_any()
