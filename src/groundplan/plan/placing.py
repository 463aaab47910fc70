"""Where a plan folder may be written, and how it gets there: whole, and never over a user's files.

A plan is written into ``.<name>.new.<pid>`` beside its place and renamed. An older plan steps
aside as ``.<name>.old.<pid>`` first; where a run dies between the two renames, the next one puts
it back. A folder is replaced only where each of its files is listed in its own manifest.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from groundplan.errors import UsageError
from groundplan.plan.manifest import DERIVED, MANIFEST

__all__ = ["make_room", "new_folder", "put_in_place"]

#: Files named in an error; more are counted.
NAMED_MAX = 5


def new_folder(folder: Path) -> Path:
    """Return an empty folder beside `folder` to write a plan into."""
    aside = folder.with_name(f".{folder.name}.new.{os.getpid()}")
    if aside.exists():
        shutil.rmtree(aside)
    aside.mkdir(parents=True)
    return aside


def put_in_place(aside: Path, folder: Path) -> None:
    """Let the new folder take the place of the old one."""
    refuse_foreign(folder)
    old = folder.with_name(f".{folder.name}.old.{os.getpid()}")
    if folder.exists():
        folder.rename(old)
    aside.rename(folder)
    if old.exists():
        shutil.rmtree(old)


def make_room(folder: Path) -> None:
    """Mend what a killed run left beside `folder`, then make sure a plan may be written there.

    Raises
    ------
    UsageError
        Where something other than a plan of ours stands there.
    """
    for path, kind in leftovers(folder):
        if kind == "old" and not folder.exists():
            path.rename(folder)
        else:
            shutil.rmtree(path)
    refuse_foreign(folder)


def leftovers(folder: Path) -> list[tuple[Path, str]]:
    """Return the folders that runs which no longer live left beside `folder`, newest first."""
    if not folder.parent.is_dir():
        return []
    form = re.compile(rf"\.{re.escape(folder.name)}\.(new|old)\.(\d+)")
    found = []
    for path in folder.parent.iterdir():
        match = form.fullmatch(path.name)
        if match and path.is_dir() and not path.is_symlink() and not is_alive(int(match[2])):
            found.append((path.stat().st_mtime, path, match[1]))
    return [(path, kind) for _, path, kind in sorted(found, reverse=True)]


def is_alive(pid: int) -> bool:
    """Return whether a process of this number runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def refuse_foreign(folder: Path) -> None:
    """Raise where `folder` holds anything that no plan of ours wrote."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file; choose another folder with --out")
    present = [p for p in folder.rglob("*") if not p.is_dir()]
    if not present:
        return
    listed = listed_files(folder)
    if listed is None:
        raise UsageError(
            f"{folder} exists and is no plan folder: nothing in it was touched; "
            "choose another folder with --out"
        )
    foreign = sorted(
        name
        for p in present
        if not is_ours(name := p.relative_to(folder).as_posix(), listed) or p.is_symlink()
    )
    if foreign:
        more = f" and {len(foreign) - NAMED_MAX} more" if len(foreign) > NAMED_MAX else ""
        raise UsageError(
            f"{folder} holds files that are not part of its plan: "
            f"{', '.join(foreign[:NAMED_MAX])}{more}; move them away or choose another folder "
            "with --out"
        )


def listed_files(folder: Path) -> frozenset[str] | None:
    """Return the names in the manifest of a plan folder, None where there is none."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError:
        return None
    if not isinstance(manifest, dict) or manifest.get("format") != "groundplan-manifest/1":
        return None
    return frozenset(manifest.get("files", {}))


def is_ours(name: str, listed: frozenset[str]) -> bool:
    """Return whether a file is of the plan, or what another program wrote beside such a file.

    QGIS leaves ``assets.gpkg-wal`` and the like while a layer is open.
    """
    if name in listed or name in DERIVED:
        return True
    return any(name.startswith((f"{own}-", f"{own}.aux")) for own in listed)
