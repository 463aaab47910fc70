"""Cutting and joining `Sites`, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.contract import Action, Sites

__all__ = ["count_openings", "join_sites", "pick_sites"]

#: Columns that every `Sites` has.
COLUMNS = ("x_m", "y_m", "layer", "environment", "action", "host", "units", "capex_cny")


def pick_sites(
    sites: Sites,
    at: NDArray[np.bool_] | NDArray[np.int64] | None = None,
    *,
    capex_cny: NDArray[np.int64] | None = None,
) -> Sites:
    """Return the sites under a mask or at positions, at another price where one is given.

    Parameters
    ----------
    at : (n_site,) bool or (n,) int64, optional
        Default: all.
    capex_cny : (n,) int64, optional
        Replaces the price of the picked sites.
    """
    if at is not None:
        rows = np.flatnonzero(at) if at.dtype == np.bool_ else at
        ids = sites.outside_id
        sites = replace(
            sites,
            **{name: getattr(sites, name)[rows] for name in COLUMNS},
            outside_id=None if ids is None else [ids[int(i)] for i in rows],
            attributes={key: column[rows] for key, column in sites.attributes.items()},
        )
    return sites if capex_cny is None else replace(sites, capex_cny=capex_cny)


def join_sites(first: Sites, *others: Sites) -> Sites:
    """Return the sites one after another.

    A column of `attributes` that some part lacks is filled with zeros of its type there; the
    result is synthetic where the first part, which holds what stands, is.
    """
    parts = (first, *others)
    kinds = {key: column.dtype for part in parts for key, column in part.attributes.items()}
    ids: Sequence[str] | None = None
    if any(part.outside_id is not None for part in parts):
        ids = [name for part in parts for name in (part.outside_id or [""] * len(part))]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS
    }
    return replace(
        first,
        **columns,
        outside_id=ids,
        attributes={
            key: np.concatenate(
                [part.attributes.get(key, np.zeros(len(part), kind)) for part in parts]
            )
            for key, kind in kinds.items()
        },
    )


def count_openings(sites: Sites, planned: NDArray[np.bool_], stem: str) -> dict[str, float]:
    """Return how many sites each of the prices ``<stem>_upgrade_cny``, ... opens.

    Parameters
    ----------
    planned : (n_site,) bool
        Sites that the plan adds.
    stem : str
        What the prices of a system begin with.
    """
    return {
        f"{stem}_{action.name.lower()}_cny": float((planned & (sites.action == action)).sum())
        for action in (Action.UPGRADE, Action.SHARE, Action.NEW)
    }
