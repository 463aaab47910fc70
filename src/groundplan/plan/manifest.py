"""The book of a plan folder: what each file hashes to, and which versions made it.

``manifest.json`` depends on the inputs alone; ``run.json`` tells machine, time and memory and is
sealed by a hash of its own, so that two runs can be compared file by file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = [
    "MANIFEST",
    "REPORT",
    "RUN",
    "canonical_json",
    "file_entry",
    "file_hash",
    "library_versions",
    "manifest_differences",
    "seal_fault",
    "write_json",
    "write_manifest",
    "write_sealed",
]

MANIFEST = "manifest.json"
RUN = "run.json"
REPORT = "report.html"
#: Made from the plan after the fact; may be made again without touching the plan.
DERIVED = frozenset({MANIFEST, RUN})
LIBRARIES = (
    "groundplan",
    "numpy",
    "scipy",
    "numba",
    "highspy",
    "pyarrow",
    "pyogrio",
    "pyproj",
    "shapely",
    "rasterio",
)


def canonical_json(data: Any) -> bytes:
    """Return the one spelling of `data` as JSON: sorted keys, two spaces, UTF-8, final newline."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False)
    return text.encode() + b"\n"


def write_aside(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)


def write_json(path: Path, data: Any) -> None:
    """Write `data` in its canonical spelling, whole or not at all."""
    write_aside(path, canonical_json(data))


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def library_versions() -> dict[str, str]:
    """Return the versions of everything whose rounding or file format reaches the plan."""
    return {name: version(name) for name in LIBRARIES}


def sealed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` with the hash of its canonical spelling under ``seal``."""
    body = {k: v for k, v in data.items() if k != "seal"}
    return {**body, "seal": hashlib.sha256(canonical_json(body)).hexdigest()}


def write_sealed(path: Path, data: Mapping[str, Any]) -> None:
    """Write `data` with a hash over itself, so that a changed byte shows."""
    write_json(path, sealed(data))


def seal_fault(path: Path) -> str | None:
    """Return what is wrong with a sealed file, None where its seal holds."""
    content = path.read_bytes()
    try:
        data = json.loads(content)
    except ValueError as error:
        return f"{path.name}: no longer readable as JSON ({error})"
    if not isinstance(data, dict) or canonical_json(data) != content:
        return f"{path.name}: spelling changed since it was written"
    if sealed(data) != data:
        return f"{path.name}: content changed since it was sealed"
    return None


def plan_files(folder: Path) -> list[Path]:
    """Return every file that the manifest answers for, in a fixed order."""
    return sorted(
        p
        for p in folder.rglob("*")
        if p.is_file() and p.relative_to(folder).as_posix() not in DERIVED
    )


def file_entry(path: Path) -> dict[str, Any]:
    """Return what the manifest says of a file."""
    return {"sha256": file_hash(path), "bytes": path.stat().st_size}


def write_manifest(folder: Path, inputs: Mapping[str, str]) -> None:
    """Write ``manifest.json`` over every file now in `folder`."""
    files = {p.relative_to(folder).as_posix(): file_entry(p) for p in plan_files(folder)}
    write_sealed(
        folder / MANIFEST,
        {
            "format": "groundplan-manifest/1",
            "files": files,
            "inputs": dict(inputs),
            "versions": library_versions(),
        },
    )


def manifest_differences(folder: Path) -> list[str]:
    """Return every difference between `folder` and its manifest, one sentence each."""
    differences = []
    path = folder / MANIFEST
    if not path.is_file():
        return [f"{MANIFEST}: missing"]
    fault = seal_fault(path)
    if fault:
        return [fault]
    run = folder / RUN
    if not run.is_file():
        differences.append(f"{RUN}: missing")
    elif (fault := seal_fault(run)) is not None:
        differences.append(fault)
    listed = json.loads(path.read_bytes())["files"]
    present = {p.relative_to(folder).as_posix(): p for p in plan_files(folder)}
    for name, entry in listed.items():
        if name not in present:
            differences.append(f"{name}: missing, listed in {MANIFEST}")
        elif (found := file_hash(present[name])) != entry["sha256"]:
            differences.append(
                f"{name}: SHA-256 is {found[:16]}..., the manifest says {entry['sha256'][:16]}..."
            )
    differences += [f"{name}: not listed in {MANIFEST}" for name in present if name not in listed]
    return differences
