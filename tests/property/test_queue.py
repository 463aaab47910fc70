"""Queues against their naive twins: factorials in exact fractions, and counting up one by one."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.models import carriers_needed, erlang_c, size_servers, waiting_time


def textbook(servers: int, load: Fraction) -> Fraction:
    """Erlang C as printed in every book, with factorials."""
    if load >= servers:
        return Fraction(1)
    top = load**servers / math.factorial(servers) * servers / (servers - load)
    return top / (sum(load**k / math.factorial(k) for k in range(servers)) + top)


loads = st.fractions(0, 40, max_denominator=16)
rates = st.fractions(Fraction(1, 8), 30, max_denominator=8)


@settings(deadline=None)
@given(servers=st.integers(1, 45), load=loads)
def test_equals_the_textbook_form(servers, load):
    assert erlang_c(servers, float(load)) == pytest.approx(
        float(textbook(servers, load)), rel=1e-11, abs=1e-300
    )


@settings(deadline=None)
@given(cases=st.lists(st.tuples(st.integers(1, 60), loads), min_size=1, max_size=8))
def test_arrays_equal_one_by_one(cases):
    servers = np.array([c for c, _ in cases])
    load = np.array([float(a) for _, a in cases])
    assert erlang_c(servers, load).tolist() == [
        erlang_c(int(c), float(a)) for c, a in zip(servers, load, strict=True)
    ]


@settings(deadline=None)
@given(
    arrivals=rates,
    services=rates,
    limit=st.fractions(0, 1, max_denominator=12),
    share=st.sampled_from([0.01, 0.1, 0.2, 0.5, 1.0]),
)
def test_sizing_is_the_first_that_meets_it(arrivals, services, limit, share):
    lam, mu, t = float(arrivals), float(services), float(limit)
    told = size_servers(lam, mu, t, share)
    count = math.floor(lam / mu) + 1
    while waiting_time(count, lam, mu, t).p_exceed > share * (1 + 1e-12):
        count += 1
    assert told.servers == count
    assert told.p_exceed == pytest.approx(waiting_time(count, lam, mu, t).p_exceed, rel=1e-9)
    if count > 1:
        cut = size_servers(lam, mu, t, share, servers_max=count - 1)
        assert cut.servers == -1
        assert math.isnan(cut.p_exceed)


def test_shapes_broadcast():
    told = waiting_time(np.array([[2], [3]]), np.array([1.0, 2.0, 9.0]), 1.5)
    assert told.p_wait.shape == (2, 3)
    assert told.p_wait[:, 2].tolist() == [1.0, 1.0]
    assert np.isinf(told.wait_h[:, 2]).all()
    assert np.isinf(told.queue_length[:, 2]).all()
    assert told.p_exceed[:, 2].tolist() == [1.0, 1.0]
    sized = size_servers(np.array([0.0, 6.0]), 1.2, 1 / 6, 0.1)
    assert sized.servers.tolist() == [1, 8]
    assert sized.p_exceed[0] == 0.0


def test_scalars_come_out_plain():
    assert type(erlang_c(2, 1.0)) is float
    told = size_servers(6, 1.2, 0.1, 0.1)
    assert (type(told.servers), type(told.p_exceed)) == (int, float)


def test_a_thousand_servers_do_not_overflow():
    assert 0.0 < erlang_c(1000, 990.0) < 1.0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: erlang_c(0, 1.0), r"servers must be >= 1; got 0"),
        (lambda: erlang_c(2.5, 1.0), r"servers must be a whole number; got 2\.5"),
        (lambda: erlang_c(2, -1.0), r"offered_load must be >= 0; got -1"),
        (lambda: erlang_c(2, math.nan), r"offered_load must be finite; got nan"),
        (lambda: waiting_time(1, -1, 1), r"arrivals_per_h must be >= 0; got -1"),
        (lambda: waiting_time(1, 1, 0), r"services_per_h must be > 0; got 0"),
        (lambda: waiting_time(1, 1, 2, -0.1), r"limit_h must be >= 0; got -0\.1"),
        (lambda: waiting_time(1, 1, 2, scv_service=-1), r"scv_service must be >= 0; got -1"),
        (lambda: size_servers(1, 1, 1, 0), r"p_exceed_max must be > 0; got 0"),
        (lambda: size_servers(1, 1, 1, 1.5), r"p_exceed_max must be <= 1; got 1\.5"),
        (lambda: size_servers(1, 1, 1, 0.1, servers_max=0), r"servers_max must be >= 1; got 0"),
        (lambda: size_servers([1, math.inf], 1, 1, 0.1), r"arrivals_per_h must be finite; got inf"),
    ],
)
def test_impossible_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@settings(deadline=None)
@given(
    traffic=st.floats(0, 5000),
    carrier=st.floats(1, 500),
    most=st.integers(1, 4),
    ceiling=st.sampled_from([0.5, 0.7, 1.0]),
)
def test_carriers_are_the_first_that_fit(traffic, carrier, most, ceiling):
    told = carriers_needed(
        [traffic], [carrier], sectors=3, load_max_ratio=ceiling, carriers_max=[most]
    )
    fits = [n for n in range(1, most + 1) if traffic / 3 <= n * carrier * ceiling]
    assert told.carriers[0] == (fits[0] if fits else most)
    assert bool(told.is_overloaded[0]) is not bool(fits)
    assert told.load_ratio[0] == pytest.approx(traffic / 3 / (told.carriers[0] * carrier))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"traffic_mbps": [-1.0]}, "traffic_mbps"),
        ({"carrier_mbps": [0.0]}, "carrier_mbps"),
        ({"sectors": 0}, "sectors"),
        ({"load_max_ratio": 0.0}, "load_max_ratio"),
        ({"busiest_ratio": 0.5}, "busiest_ratio"),
        ({"carriers_max": [0]}, "carriers_max"),
    ],
)
def test_impossible_traffic_is_named(change, match):
    given_ = {
        "traffic_mbps": [1.0],
        "carrier_mbps": [1.0],
        "sectors": 3,
        "load_max_ratio": 0.7,
        **change,
    }
    with pytest.raises(ValueError, match=match):
        carriers_needed(**given_)
