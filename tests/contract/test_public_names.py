"""What groundplan promises by name is there."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import groundplan

ROOMS = ["plan", "region", "sectors", "show", "study", "location", "models", "radio"]


@pytest.mark.parametrize("name", groundplan.__all__)
def test_every_public_name_loads(name):
    assert getattr(groundplan, name) is not None


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = groundplan.nonsense


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_of_a_room_loads(room):
    module = importlib.import_module(f"groundplan.{room}")
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_every_module_imports():
    found = [m.name for m in pkgutil.walk_packages(groundplan.__path__, "groundplan.")]
    assert len(found) > 30
    for name in found:
        if name.endswith("__main__"):
            continue
        importlib.import_module(name)
