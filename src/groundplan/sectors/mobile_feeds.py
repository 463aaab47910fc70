"""Masts from OpenCelliD: which layer a network code belongs to, which radio is which generation.

The table of network codes, with sources, is ``data/mobile_operators.csv``.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings
from groundplan.quantity import CONFIDENCES
from groundplan.sectors.contract import Feed, Settings

__all__ = ["MOBILE_FEEDS", "read_operators"]

Columns = Mapping[str, NDArray[Any]]
TABLE = "mobile_operators.csv"
NETWORKS = ("a", "b")


@cache
def read_operators() -> Mapping[tuple[int, int], str]:
    """Return (country code, network code) -> layer, from the table of this package.

    Raises
    ------
    DataError
        With a finding for each row that names no layer, no source, or a code twice.
    """
    text = files("groundplan.sectors").joinpath("data", TABLE).read_text(encoding="utf-8")
    found, layers = Findings(TABLE), {}
    for number, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        code = int(row["mcc"]), int(row["mnc"])
        if code in layers:
            found.add(number, "mnc", row["mnc"], "each code once")
        if row["network"] not in NETWORKS:
            found.add(number, "network", row["network"], "one of " + ", ".join(NETWORKS))
        if not row["source"] or row["confidence"] not in CONFIDENCES:
            found.add(number, "source", row["source"], "a source with its confidence")
        layers[code] = row["network"]
    found.raise_if_any()
    return layers


def from_opencellid(columns: Columns, settings: Settings) -> tuple[Columns, NDArray[np.bool_]]:
    """Return masts of OpenCelliD sites: one row for each node and network.

    NR is 5G, every older radio the older equipment of its network. Sites of networks that are in
    no layer (railways, other countries) are left out.
    """
    del settings
    codes = np.column_stack([columns["mcc"], columns["net"]]).astype(np.int64)
    network = np.full(len(codes), "", dtype=object)
    for code, layer in read_operators().items():
        network[(codes == code).all(axis=1)] = layer
    radio = np.asarray(columns["radio"]).astype(str)
    node = np.asarray(columns["node_id"]).astype(np.int64)
    # older radios have no node: the record's number names it
    number = np.where(node >= 0, node, np.arange(node.size))
    parts = zip(codes[:, 0], codes[:, 1], radio, number, strict=True)
    names = [f"{mcc}-{net:02d}-{kind}-{at}" for mcc, net, kind, at in parts]
    register = {
        "mast_id": np.array(names, dtype=object),
        "network": network,
        "generation": np.where(radio == "NR", "5g", "4g").astype(object),
    }
    return register, network != ""


MOBILE_FEEDS = {
    "opencellid": Feed(
        from_opencellid,
        note="Sites are gathered from what telephones saw: positions are off by hundreds of "
        "metres and the base is thin in China. It shows where networks are, it is no register.",
        note_zh="站点由手机观测推得：位置误差数百米，国内数据稀疏；仅示网络所在，并非台账。",
        join_column="mast_id",
        join_setting="opencellid_join_m",
        weight_column="samples_count",
    )
}
