"""The systems that can be planned, one file each; `contract` holds their common form.

A package of one's own adds a system by an entry point of the group ``groundplan.sectors`` whose
object is a `Sector`; see docs/sectors/new.md.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from types import MappingProxyType

from groundplan.errors import DataError, Findings
from groundplan.sectors.contract import Sector

__all__ = ["BUILT_IN", "GROUP", "Sector", "load_sectors"]

#: Group of entry points in which installed packages name their sectors.
GROUP = "groundplan.sectors"
#: Sectors of this package, found also where it runs without being installed.
BUILT_IN = MappingProxyType(
    {
        "beidou": "groundplan.sectors.beidou:BEIDOU",
        "mobile": "groundplan.sectors.mobile:MOBILE",
        "charging": "groundplan.sectors.charging:CHARGING",
        "racks": "groundplan.sectors.racks:RACKS",
        "iot": "groundplan.sectors.iot:IOT",
        "corridor": "groundplan.sectors.corridors:CORRIDOR",
    }
)


def load_sectors() -> dict[str, Sector]:
    """Return every sector at hand by its key: those built in, then those of other packages.

    Raises
    ------
    DataError
        With a finding for each entry point that cannot be loaded, is no `Sector`, has another
        name than the sector's key, or takes a key that is taken.

    Examples
    --------
    >>> sorted(load_sectors())[:2]
    ['beidou', 'charging']
    """
    sectors: dict[str, Sector] = {}
    for target in BUILT_IN.values():
        module, _, name = target.partition(":")
        sector: Sector = getattr(importlib.import_module(module), name)
        sectors[sector.key] = sector
    found = Findings(f"entry points {GROUP}")
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        if BUILT_IN.get(point.name) == point.value:
            continue
        try:
            loaded = point.load()
        except (ImportError, AttributeError) as error:
            found.add(0, point.name, error, "an object that loads", "reinstall its package")
            continue
        if not isinstance(loaded, Sector):
            found.add(0, point.name, type(loaded).__name__, "a groundplan.sectors.Sector")
        elif loaded.key != point.name:
            found.add(0, point.name, f"key {loaded.key!r}", "the entry point's name as its key")
        elif loaded.key in sectors:
            found.add(0, point.name, point.value, "a key of its own", "uninstall one of the two")
        else:
            sectors[loaded.key] = loaded
    found.raise_if_any(DataError, "sectors cannot be loaded")
    return sectors
