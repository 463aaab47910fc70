"""Each room stands on the floors before it, never after; start-up stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "groundplan"
FLOORS = {
    "errors": 0,
    "quantity": 0,
    "study": 1,
    "region": 2,
    "sectors": 3,
    "engine": 4,
    "location": 4,
    "radio": 4,
    "models": 4,
    "plan": 5,
    "fund": 6,
    "deliver": 7,
    "prove": 8,
    "show": 9,
    "web": 10,
    "cli": 11,
}
#: The doors re-export the engine; rooms below plan must not use them.
ENGINE_MAY_LOAD = {"numpy", "numba", "scipy", "highspy"}
HEAVY = {"numba", "scipy", "pyarrow", "pyogrio", "rasterio", "shapely", "pyproj", "pydantic"}


def imported(path: Path) -> list[tuple[str, int]]:
    """Return the modules that a file names, with their lines."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write absolute imports"
            module = node.module or ""
            found.append((module, node.lineno))
            if module == "groundplan":
                found += [(f"groundplan.{alias.name}", node.lineno) for alias in node.names]
    return found


def files() -> list[Path]:
    return sorted(p for p in SOURCE.rglob("*.py") if p != SOURCE / "__init__.py")


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_down(path):
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for module, line in imported(path):
        top, *rest = module.split(".")
        if top == "groundplan" and rest:
            assert FLOORS[rest[0]] <= FLOORS[room], f"{path}:{line}: {room} imports {module}"
        if room == "sectors" and top == "groundplan" and rest:
            assert rest[0] not in {"engine", "location", "radio", "models"}, f"{path}:{line}"
        if room == "engine":
            own = top == "groundplan" and rest[:1] in (["engine"], ["errors"])
            library = top in ENGINE_MAY_LOAD or top in sys.stdlib_module_names
            assert own or library, f"{path}:{line}: the engine sees arrays only, not {module}"


def test_the_walk_sees_files():
    assert len(files()) > 10


@pytest.mark.parametrize("module", ["groundplan", "groundplan.cli"])
def test_start_is_light(module):
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not HEAVY & {name.split(".")[0] for name in out}


def test_files_stay_small():
    long = {
        str(p.relative_to(SOURCE)): n
        for p in files()
        if (n := len(p.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert not long, f"look for the seam: {long}"
