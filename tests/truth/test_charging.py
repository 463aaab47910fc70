"""The charging system against published operating figures; ``pytest -s`` prints the deviations."""

from __future__ import annotations

import json

import numpy as np
import pytest

from groundplan.plan.kinds import sizing_model
from groundplan.sectors.charging import CHARGING
from groundplan.sectors.charging_segments import (
    DAYS,
    PARKED,
    arriving_kwh,
    captured_kwh,
    segment_shares,
    session_kwh,
    stays_h,
)
from groundplan.sectors.charging_sizing import Chargers, car_kw, feeders

SETTINGS = CHARGING.defaults()
#: Share of Henan's residents on dense urban, urban and rural land, as planned at 250 m.
PLACES = np.array([0.461, 0.100, 0.439])


@pytest.fixture(scope="module")
def facts(shared):
    path = shared / "benchmarks" / "sectors" / "charging_operations.json"
    told = json.loads(path.read_text(encoding="utf-8"))["facts"]
    assert len(told) >= 2
    return told


def test_operating_figures_follow_from_what_was_published(facts):
    """kWh and sessions of a pile and day, kWh of a session, piles of a station; 30 or 8 days."""
    for fact in facts:
        piles = fact.get("piles_on_platform", fact.get("public_piles"))
        kwh, days = (fact["kWh_month"], 30) if "kWh_month" in fact else (fact["kWh"], 8)
        found = {"derived_kWh_per_pile_day": kwh / piles / days}
        if "sessions" in fact:
            found["derived_kWh_per_session"] = kwh / fact["sessions"]
            found["derived_sessions_per_pile_day"] = fact["sessions"] / piles / days
            found["derived_piles_per_station"] = piles / fact["stations_on_platform"]
        for name, value in found.items():
            assert value == pytest.approx(fact[name], abs=1e-9), name
        assert set(found) == {name for name in fact if name.startswith("derived_")}


def test_the_settings_are_the_published_figures(facts):
    china, henan = facts[0], facts[1]
    for name, value in (
        ("session_kwh", henan["derived_kWh_per_session"]),
        ("chargers_per_station_ratio", henan["derived_piles_per_station"]),
        ("dc_ratio", china["dc"] / china["public_piles"]),
    ):
        print(name, SETTINGS[name] / value - 1)
        # they are written with as many digits as the sources carry
        assert SETTINGS[name] == pytest.approx(value, rel=2e-3), name


def test_the_mean_session_of_the_segments_is_the_published_one():
    """A mix of assumed sessions may not wander from the one mean that was measured."""
    share = segment_shares(SETTINGS) @ PLACES
    mean = 1.0 / (share / session_kwh(SETTINGS)).sum()
    print(f"session: {mean:.2f} kWh, published {SETTINGS['session_kwh']}")
    assert mean == pytest.approx(SETTINGS["session_kwh"], rel=0.01)


def test_the_holiday_lifts_the_whole_as_published(facts):
    """49.3 kWh a pile and day in the holiday over 42.1, the mean of two ordinary months."""
    ordinary = np.mean([facts[0]["derived_kWh_per_pile_day"], 39.6])
    published = facts[1]["derived_kWh_per_pile_day"] / ordinary
    share = segment_shares(SETTINGS) @ PLACES
    weekday, holiday = (arriving_kwh(share[None], SETTINGS, day).sum() for day in DAYS)
    print(f"holiday over weekday: {holiday / weekday:.3f}, published {published:.3f}")
    assert weekday == pytest.approx(1.0)
    assert holiday / weekday == pytest.approx(published, abs=0.02)


def draw_day(rng, rate, stay_h, energy, power_kw):
    """Return the sessions of a random day: arrival, departure, energy, power."""
    rows = []
    for g in range(len(energy)):
        count = rng.poisson(rate[g])
        at = np.repeat(np.arange(24), count) + rng.random(count.sum())
        held = stay_h[g] if PARKED[g] else energy[g] / power_kw[g]
        rows.append(
            np.column_stack(
                [at, at + held, np.full(at.size, energy[g]), np.full(at.size, power_kw[g])]
            )
        )
    return np.vstack(rows).T


def test_feeder_limits_hold_on_drawn_days():
    """Exact least limits of 150 drawn days at a small, a usual and a large station."""
    from groundplan.models import charging_schedule, smart_charging_peak

    rng = np.random.default_rng(4)
    within_reach = np.array([1500.0, 3500.0, 9000.0])
    energy = captured_kwh(within_reach[:, None] * segment_shares(SETTINGS)[:, 0], SETTINGS)
    plenty = Chargers(np.full(3, 1000), np.full(3, 1000))
    told = feeders(sizing_model(CHARGING.sizing.kind), energy, plenty, SETTINGS, "weekday")
    session, stay, power = session_kwh(SETTINGS), stays_h(SETTINGS), car_kw(SETTINGS)
    for i in range(3):
        rate = arriving_kwh(energy[i : i + 1], SETTINGS, "weekday")[0] / session[:, None]
        smart, freely = [], []
        for _ in range(150):
            a, d, e, p = draw_day(rng, rate, stay, session, power)
            e = e * (1 - 1e-9)
            smart.append(smart_charging_peak(a, d, e, p).peak_limited_kw)
            freely.append(charging_schedule(a, d, e, p, 1.0, rule="uncontrolled").load_kw.max())
        over = np.mean(np.array(smart) > told.smart_kw[i])
        over_freely = np.mean(np.array(freely) > told.uncontrolled_kw[i])
        print(
            f"{energy[i].sum():.0f} kWh a day: limit {told.smart_kw[i]:.0f} kW exceeded on "
            f"{over:.1%} of days, 95 % of them need {np.quantile(smart, 0.95):.0f}; on arrival "
            f"{told.uncontrolled_kw[i]:.0f} kW, {over_freely:.1%}, {np.quantile(freely, 0.95):.0f}"
        )
        assert told.smart_kw[i] == pytest.approx(np.quantile(smart, 0.95), rel=0.2)
        assert told.uncontrolled_kw[i] == pytest.approx(np.quantile(freely, 0.95), rel=0.2)
        assert max(over, over_freely) <= 0.2


def test_the_energy_of_motorways_belongs_to_the_corridors():
    """What corridors take of a vehicle is what charging in towns leaves to them, to a per cent."""
    from groundplan.sectors.corridors import CORRIDOR

    town, road = CHARGING.defaults(), CORRIDOR.defaults()
    mean_km = 246.0  # of the example's trips: docs/sectors/corridors.md
    taken_kwh = (
        road["trips_per_day"] * mean_km * road["consumption_kwh_per_km"] * road["underway_ratio"]
    )
    public_kwh = town["vehicle_kwh_per_day"] * town["public_ratio"]
    assert taken_kwh / public_kwh == pytest.approx(town["motorway_ratio"], rel=0.01)
    assert town["ev_per_person_ratio"] == road["ev_per_person_ratio"]
    vehicles = 99_365_519 * town["ev_per_person_ratio"]
    left = vehicles * public_kwh * (1 - town["motorway_ratio"])
    print(
        f"\npublic {vehicles * public_kwh / 1e6:.3f} M kWh a day = towns {left / 1e6:.3f} + "
        f"motorways {vehicles * taken_kwh / 1e6:.3f}"
    )
    assert left + vehicles * taken_kwh == pytest.approx(vehicles * public_kwh, rel=1e-3)
