"""The form every system has: what it needs, what can serve it, what that costs, what counts.

A sector is one file that fills in one `Sector`. It names the kind of its models and never calls
them (`Catchment(kind="link_budget")`, `Sizing(kind="erlang_c")`): `plan` holds the table from
kinds to engine functions, so that sector files load without a solver. Its own functions take
arrays and give arrays back.

Vocabulary. A *layer* is a service that is planned side by side with others under one target and
that other layers cannot give: the two shared 5G networks, for instance. A demand *row* is a pair
(layer, cell). A *site* is a place where equipment of one layer may stand or stands; sites with
the same `host` share the physical structure (mast, lot).

Four kinds of decision. *Covering*: so many sites as the target asks are chosen to serve the most;
a site serves whom it reaches, then it is sized. *Capacitated* (`Sector.allocation` is given): the
target says how many servers are needed in all, every layer is served whole, and sites, modules and
who serves whom are chosen together at the least cost. There a site may serve every layer.
*Passage* (`Sector.passage` is given): sites stand on a road network, and so many as the target asks
are chosen that the most trips can be driven from end to end with the range of a vehicle.
*Backup* (`Sector.backup` is given): so many sites as the target asks serve whom they reach alone or
several together, and are chosen to serve the most, also when one of them fails; every site serves
every layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.quantity import Field
from groundplan.sectors.decisions import Backup
from groundplan.sectors.land import Land
from groundplan.sectors.offer import Offer
from groundplan.sectors.road_network import Network, Roads

__all__ = [
    "Action",
    "Allocation",
    "AssetType",
    "Backup",
    "Catchment",
    "Cost",
    "Demand",
    "EvidenceRule",
    "Feed",
    "Land",
    "Layer",
    "Measure",
    "Network",
    "Offer",
    "Passage",
    "Report",
    "Roads",
    "Sector",
    "Settings",
    "Sites",
    "Sized",
    "Sizing",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Setting name -> value, complete: every `Sector.settings` field is present.
Settings = Mapping[str, Any]


class Action(IntEnum):
    """What a plan does at a site; the order is the order of preference (share before build)."""

    KEEP = 0  # stands today and is not touched
    UPGRADE = 1  # stands today and gets new equipment of its own system
    SHARE = 2  # another owner's or layer's structure stands today and takes this equipment in
    NEW = 3  # nothing stands there


@dataclass(frozen=True)
class Sites:
    """Places where a system stands or may stand, one entry for each (place, layer).

    Attributes
    ----------
    x_m, y_m : (n_site,) float64
        Position, equal-area coordinates of the region.
    layer : (n_site,) int8
        Index into `Sector.layers`; 0 in a capacitated system until it is decided whom it serves,
        and in a backup system, where every site serves every layer.
    environment : (n_site,) int8
        Index into `Sector.environments`: decides capacity and, with the environment of the cell,
        reach.
    action : (n_site,) int8
        `Action`; `KEEP` means the site serves already.
    host : (n_site,) int32
        Number of the physical structure (mast, lot); equal where structures are shared.
    units : (n_site,) int32
        What the site counts for under the sector's measure once it serves (usually 1).
    capex_cny : (n_site,) int64
        Money to bring the site into service before sizing; 0 where `KEEP`.
    outside_id : sequence of str or None
        The owner's identifiers, where the sites came from a user's file.
    attributes : mapping of str to (n_site,) array
        Further columns for the asset tables, named as `AssetType` fields.
    is_synthetic : bool
        True where the *existing* sites are a seeded stand-in and no register.
    """

    x_m: FloatArray
    y_m: FloatArray
    layer: NDArray[np.int8]
    environment: NDArray[np.int8]
    action: NDArray[np.int8]
    host: NDArray[np.int32]
    units: NDArray[np.int32]
    capex_cny: IntArray
    outside_id: Sequence[str] | None = None
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    is_synthetic: bool = False

    def __len__(self) -> int:
        return int(self.x_m.shape[0])


@dataclass(frozen=True)
class Layer:
    """One of the services a sector plans side by side; see the module text."""

    key: str
    title: str
    title_zh: str


@dataclass(frozen=True)
class Measure:
    """What one unit of a target is, and by which identity it is counted once.

    `key` is the word a `Target.measure` in study.toml uses; `counts` names what the plan adds up:
    ``"sites"`` (sum of `Sites.units`), ``"servers"`` (sum of sized servers, e.g. chargers), a
    counted column of the asset table that sizing gives (for another reading of the same number),
    or ``"nothing"``: what is asked is counted elsewhere, and the system is planned in its support.
    `cost` names the asset column, CNY, with the part of a site's cost that these units make, where
    a programme pays for them on a line of their own.
    """

    key: str
    unit: str
    identity: str
    doc: str
    counts: str = "sites"
    cost: str = ""


@dataclass(frozen=True)
class AssetType:
    """A kind of asset with the columns its table carries."""

    key: str
    title: str
    title_zh: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Demand:
    """How much each cell asks of each layer.

    ``build(land, settings) -> (n_layer, n_cell) int64``: whole numbers >= 0 in hundredths of
    `unit`, so that sums and proofs are exact. Pure and vectorised: permuting cells permutes the
    result, and twice the people make twice the demand up to rounding.

    ``shares(settings) -> (n_part, n_environment)``, where the demand is made of parts that differ
    by the class of the cell: columns add up to 1. Sizing is then given the demand of a site by
    part, (n_site, n_part); the choice of sites knows the sum alone.
    A user's file of points may take the place of what is modelled: `fields` are its columns beside
    the position, and ``from_points(columns, cell, demand, settings) -> (n_layer, n_cell) int64``
    gives the demand with them, `cell` (n_point,) being the cell of each. Without `fields` the
    system takes no such file.
    """

    per: str
    unit: str
    build: Callable[[Land, Settings], IntArray]
    shares: Callable[[Settings], FloatArray] | None = None
    fields: tuple[Field, ...] = ()
    from_points: (
        Callable[[Mapping[str, NDArray[Any]], IntArray, IntArray, Settings], IntArray] | None
    ) = None


@dataclass(frozen=True)
class Catchment:
    """Which cells a site serves: those within a reach that depends on layer and environment.

    `kind` ``"distance"``: `parameters(settings)` returns ``{"reach_m": (n_layer, n_environment)}``.
    `kind` ``"latency"``: `parameters(settings)` returns ``limit_ms`` (n_layer,), ``n_environment``,
    ``fibre_us_per_km``, ``route_ratio`` (length of the route over the straight line) and
    ``equipment_ms``; see `plan.kinds`.
    `kind` ``"range"``: `parameters(settings)` returns ``range_m``, ``start_range_m``,
    ``end_range_m`` of a vehicle and ``n_environment``.
    `kind` ``"link_budget"``: `parameters(settings)` returns arrays of shape (n_layer,
    n_environment) for `engine.radio.cell_reach`; see there.

    `classify(land)` returns the environment of each cell, (n_cell,) int8. `decided_by` says whose
    environment counts: ``"site_and_cell"``: a cell is served within the lesser of both reaches (a
    signal must leave the one and enter the other); ``"cell"``: within the reach of the cell alone
    (how far its residents go).

    `antennas(settings)`, for a link budget whose signal is to be drawn: arrays of shape (n_layer,
    n_environment) or numbers: ``bandwidth_mhz`` and ``block_count`` of a carrier,
    ``sectors_count``, ``downtilt_deg``, ``horizontal_beamwidth_deg``, ``vertical_beamwidth_deg``.
    """

    kind: str
    parameters: Callable[[Settings], Mapping[str, Any]]
    classify: Callable[[Land], NDArray[np.int8]]
    decided_by: str = "site_and_cell"
    antennas: Callable[[Settings], Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Sized:
    """What sizing found for each serving site.

    Attributes
    ----------
    servers : (n_site,) int64
        Chargers, or carriers over all sectors; 0 where the site is not in the plan.
    load : (n_site,) float64
        Offered load in the sector's unit.
    is_overloaded : (n_site,) bool
        True where even `servers_max` does not meet the promise.
    capex_cny : (n_site,) int64
        Money of the site with its sized equipment, existing equipment sunk.
    attributes : mapping of str to (n_site,) array
        Columns for the asset tables.
    """

    servers: IntArray
    load: FloatArray
    is_overloaded: NDArray[np.bool_]
    capex_cny: IntArray
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sizing:
    """How much equipment a serving site needs for the demand assigned to it.

    ``build(model, sites, chosen, demand, settings, needed) -> Sized`` where `model` is the engine
    function (or a tuple of some) that `plan` keeps under `kind`, `chosen` (n_site,) bool marks
    sites that serve in the plan (existing ones included), `demand` (n_site,) float64 is what was
    assigned to each, in the demand's unit (in servers where the system is capacitated; (n_site,
    n_part) where `Demand.shares` is given; by layer, (n_layer, n_site), in a backup system; where
    the system is one of passage, the kilometres of trips that are driven on what the site gives,
    in trips of the demand's unit times km), and `needed` is how many servers the study's targets
    ask to add (0: none asked).
    """

    kind: str
    build: Callable[[Any, Sites, NDArray[np.bool_], FloatArray, Settings, int], Sized]


@dataclass(frozen=True)
class Allocation:
    """Sites, modules and who serves whom, decided together at the least cost.

    ``build(land, sites, settings) -> Offer``, pure; `kind` is a key of the plan's table of engine
    functions (``"capacitated_facility"``).
    """

    kind: str
    build: Callable[[Land, Sites, Settings], Offer]


@dataclass(frozen=True)
class Passage:
    """Stations on roads, chosen so that the most trips can be driven.

    ``build(land, sites, settings) -> Network``, pure; `kind` is a key of the plan's table of engine
    functions (``"flow_refueling"``). The demand of cells is what their residents set out on, of
    which `build` makes trips where no traffic is given.
    """

    kind: str
    build: Callable[[Land, Sites, Settings], Network]


@dataclass(frozen=True)
class Cost:
    """Prices of a sector's equipment: rows as `Field`s with unit, source, year, confidence.

    ``bill(sites, sized, planned, settings)`` tells how much of each price the sites under the mask
    `planned` take: price name -> quantity. Quantity times price over the prices in CNY is the
    capital cost `Sized.capex_cny` says, over the others the running cost of a year.
    """

    fields: tuple[Field, ...]
    price_year: int
    bill: Callable[[Sites, Sized, NDArray[np.bool_], Settings], Mapping[str, float]] | None = None


@dataclass(frozen=True)
class EvidenceRule:
    """When an asset counts: protocol, what must be seen, and how fresh."""

    protocol: str
    observation: str
    max_age_s: int
    doc: str
    doc_zh: str


@dataclass(frozen=True)
class Report:
    """A table that a plan prints beside its answer: what the choice of sites alone cannot tell.

    Attributes
    ----------
    kind : str
        What computes it; `plan` holds the table from kinds to functions.
    title, title_zh : str
    parameters : callable
        ``parameters(settings) -> mapping``: what its kind takes.
    """

    kind: str
    title: str
    title_zh: str
    parameters: Callable[[Settings], Mapping[str, Any]]


@dataclass(frozen=True)
class Feed:
    """How a published format fills the register of a system.

    Attributes
    ----------
    columns : callable
        ``(feed columns, settings) -> (register columns, kept)``. `kept` (n_record,) bool marks the
        records that are assets of this system; register columns are those of
        `Sector.existing_fields`, (n_record,) each. Pure and vectorised.
    note, note_zh : str
        What a reader must know of a register made from this format.
    join_column, join_setting : str
        Where several records may stand on one structure: the register column that names the
        structure, and the setting with the distance, m, within which records share one. Empty
        where each record is a structure of its own.
    weight_column : str
        Feed column by which the record is chosen that gives a shared structure its position.
    """

    columns: Callable[
        [Mapping[str, NDArray[Any]], Settings],
        tuple[Mapping[str, NDArray[Any]], NDArray[np.bool_]],
    ]
    note: str
    note_zh: str
    join_column: str = ""
    join_setting: str = ""
    weight_column: str = ""


@dataclass(frozen=True)
class Sector:
    """One system, whole. A new system is one file that builds one of these.

    Attributes
    ----------
    candidates : callable
        ``(land, existing, settings, rng) -> Sites``: existing sites first (action `KEEP`), then
        every upgrade, share and new candidate. `existing` is what `standin` or the user's file
        gave.
    standin : callable
        ``(land, settings, rng) -> Sites``: seeded existing assets consistent with published
        counts, for a study whose user has no register at hand; always `is_synthetic`.
    existing_fields : tuple of Field
        Columns that a user's file of existing assets must or may have, besides lon and lat.
    from_register : callable
        ``(columns, x_m, y_m, land, settings) -> Sites``: existing assets from the user's columns.
    feeds : mapping of str to Feed
        Published formats that can stand in for a table of existing assets, by the word that a
        study gives as ``format``.
    reports : tuple of Report
        Tables beside the answer.
    limits : tuple of str
        What the plan of this system cannot tell, in plain words.
    limits_zh : tuple of str
        The same in Chinese.
    toy_value : int or None
        Optimum of the toy plan of `groundplan.check_sector`: hundredths of the demand's unit, or
        CNY in a capacitated system. Stored so that a change of the model is seen.
    allocation : Allocation or None
        What makes the system a capacitated one; None for the others.
    passage : Passage or None
        What makes the system one of passage; None for the others.
    backup : Backup or None
        What makes the system one that is to hold when a site fails; None for the others.
    avoids_hazards : bool
        True where candidates in cells of `Land.hazard` are left out; their ``is_hazard`` says so.
    rules : callable or None
        ``(settings) -> (name, value, expected, hint), ...``: what settings that fit one by one
        break together.
    """

    key: str
    title: str
    title_zh: str
    doc: str
    layers: tuple[Layer, ...]
    environments: tuple[str, ...]
    measures: tuple[Measure, ...]
    assets: tuple[AssetType, ...]
    settings: tuple[Field, ...]
    demand: Demand
    candidates: Callable[[Land, Sites, Settings, np.random.Generator], Sites]
    standin: Callable[[Land, Settings, np.random.Generator], Sites]
    existing_fields: tuple[Field, ...]
    from_register: Callable[
        [Mapping[str, NDArray[Any]], FloatArray, FloatArray, Land, Settings], Sites
    ]
    service: Catchment
    sizing: Sizing
    cost: Cost
    evidence: tuple[EvidenceRule, ...]
    limits: tuple[str, ...] = ()
    limits_zh: tuple[str, ...] = ()
    toy_value: int | None = None
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    reports: tuple[Report, ...] = ()
    allocation: Allocation | None = None
    passage: Passage | None = None
    backup: Backup | None = None
    avoids_hazards: bool = False
    rules: Callable[[Settings], Iterable[tuple[str, object, str, str]]] | None = None

    @property
    def decision(self) -> str:
        """Kind: ``"covering"``, ``"capacitated"``, ``"passage"`` or ``"backup"``."""
        if self.passage is not None:
            return "passage"
        if self.backup is not None:
            return "backup"
        return "covering" if self.allocation is None else "capacitated"

    @property
    def asked_by(self) -> str:
        """What the target that drives the plan counts: ``"sites"`` or ``"servers"``."""
        return "sites" if self.allocation is None else "servers"

    def defaults(self) -> dict[str, Any]:
        """Return every setting and price with its default."""
        return {f.name: f.default for f in (*self.settings, *self.cost.fields)}
