"""Forecasts judged by counts they have not seen; ``pytest -s tests/truth/test_growth.py`` prints.

Rolling origin: every point of a series but the first three is left out with all after it and told
from those before. The published series of the systems are few and short, so the interval is judged
on the broadband subscribers of 200 countries as well (tests/data/SOURCES.md). Nothing is fitted to
them; some twenty of them were looked at when the form of the error was chosen.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from groundplan.models import Forecast, forecast

BROADBAND = Path(__file__).parents[1] / "data" / "broadband_subscribers.csv"
LEVEL = 0.8
KNOWN_LEAST = 3


class Told(NamedTuple):
    """One left-out value: relative error, whether inside, whether below the interval."""

    error: float
    is_inside: bool
    is_below: bool


def judge(told: Forecast, later: np.ndarray) -> list[Told]:
    return [
        Told(float(abs(c / x - 1)), bool(lo <= x <= hi), bool(x < lo))
        for c, lo, hi, x in zip(told.central, told.low, told.high, later, strict=True)
    ]


def month(date: str) -> float:
    """Return the time of ``2022-08``, ``2022-08 (as of)``, ``2022-08-16`` or ``2022``, in years."""
    parts = date.split(maxsplit=1)[0].split("-")
    return int(parts[0]) + (int(parts[1]) if len(parts) > 1 else 12) / 12


def read_series(path: Path) -> dict[str, np.ndarray]:
    series: dict[str, list[tuple[float, float]]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            series.setdefault(row["series"], []).append((month(row["date"]), float(row["value"])))
    return {name: np.array(sorted(points)) for name, points in series.items()}


def line(name: str, told: Iterable[Told]) -> tuple[float, float]:
    """Print a line of the table and return mean error and coverage."""
    error, inside, below = (np.array(x, float) for x in zip(*told, strict=True))
    print(
        f"| {name} | {error.size} | {error.mean():.1%} | {np.median(error):.1%} "
        f"| {inside.mean():.0%} | {below.mean():.0%} | {1 - inside.mean() - below.mean():.0%} |"
    )
    return float(error.mean()), float(inside.mean())


HEAD = (
    "\n| series | left out | mean error | median | inside 80 % | below | above |\n"
    "|---|---|---|---|---|---|---|"
)


def test_published_series_by_rolling_origin(shared):
    series = read_series(shared / "benchmarks" / "sectors" / "adoption_series.csv")
    every: list[Told] = []
    print(HEAD)
    for name, points in series.items():
        mine: list[Told] = []
        for origin in range(KNOWN_LEAST, len(points)):
            t, value = points.T
            told = forecast(t[:origin], value[:origin], t[origin:], level=LEVEL)
            mine += judge(told, value[origin:])
        if mine:
            line(name, mine)
            every += mine
    error, inside = line("all", every)
    assert len(every) >= 5
    assert error <= 0.08
    assert inside >= LEVEL - 0.1


def growing(known: int, ahead: tuple[int, ...]) -> dict[int, list[Told]]:
    """Return what was told of each year ahead, by years ahead, from `known` yearly counts.

    Origins are those at which a country had a twentieth of its later peak and was growing: the
    model is one of growth towards a ceiling.
    """
    series: dict[str, list[tuple[float, float]]] = {}
    with BROADBAND.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            point = (float(row["time"]), float(row["broadband_subscribers"]))
            series.setdefault(row["geo"], []).append(point)
    told: dict[int, list[Told]] = {h: [] for h in ahead}
    for points in map(np.array, series.values()):
        for origin in range(known, len(points), 3):
            t, value = points[origin - known : origin].T
            if value[0] < points[:, 1].max() / 20 or value[-1] <= value[0] or np.ptp(t) >= known:
                continue
            later = [points[points[:, 0] == t[-1] + h] for h in ahead]
            asked = np.array([x[0] for x in later if len(x)])
            if asked.size:
                answer = forecast(t, value, asked[:, 0], level=LEVEL)
                for (year, _), one in zip(asked, judge(answer, asked[:, 1]), strict=True):
                    told[int(year - t[-1])].append(one)
    return told


@pytest.mark.parametrize("known", [3, 5, 8])
def test_the_interval_covers_what_it_says(known):
    """Four in five inside, one to five years ahead, within ten points."""
    print(HEAD)
    for ahead, told in growing(known, (1, 2, 3, 5)).items():
        _, inside = line(f"broadband, {known} years known, {ahead} ahead", told)
        assert len(told) >= 150
        assert LEVEL - 0.1 <= inside <= LEVEL + 0.1
