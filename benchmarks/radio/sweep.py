"""Terrain coverage round one mast: the sweep, its twin, and the tools others use, in one run.

Run: ``python benchmarks/radio/sweep.py --work FOLDER [--peers FOLDER] [--maps] [--ghz 0.7 2.6]``
The ground is the seeded fractal tile of dem.py (synthetic), the mast stands at 34.5N 113.5E, 30 m
over it, terminals at 1.5 m; 20 x 20 km as 200 x 200 cells of 100 m and 667 x 667 of 30 m, profile
steps likewise. Peers are optional, each in a process of its own: build_peers.sh makes them in the
folder that ``--peers`` names; SPLAT! comes from the path. CPU seconds only (a shared machine blurs
the wall): least of 5 for us, one run for peers; ``ratio`` = CPU per cell of the peer over ours.
SPLAT! is counted by its own points and net of the same run with a radius of 0.1 km. Peak memory
of a peer is at least what this script itself holds, about 50 MiB.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dem
import numpy as np

HALF_M = 10_000.0
GRIDS = {100: 100, 30: 333}  # cell in m -> cells on each side of the middle one
ANTENNA_M, TERMINAL_M = 30.0, 1.5
CORNER_KM = HALF_M * math.sqrt(2.0) / 1000.0


def ground(folder: Path):
    """Return the metric terrain, 30 m cells, wide enough for every grid."""
    from groundplan.engine.radio.terrain import Terrain

    path = folder / "metric30.npy"
    if not path.exists():
        np.save(path, dem.metric_heights(dem.read_hgt(dem.write_hgt(folder)), 345, 30.0))
    height = np.load(path)
    edge = height.shape[0] * 15.0
    return Terrain(height, -edge, edge, 30.0, is_synthetic=True)


def frame(cell: int):
    """Return the grid's numbers, and its cell centres."""
    half = GRIDS[cell]
    n = 2 * half + (1 if cell == 30 else 0)
    corner = n * cell / 2.0
    place = (np.arange(n) + 0.5) * cell - corner
    return (-corner, corner, float(cell), n, n), place


def least(function, repeat: int = 5) -> float:
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def part_ours(folder: Path, cell: int, ghz: float) -> dict:
    """Time the sweep with one thread, save its map, and compare with the twin at every cell."""
    from groundplan.engine.radio.direct import direct_loss
    from groundplan.engine.radio.sweep import mast_geometry

    terrain = ground(folder / "dem")
    grid, place = frame(cell)
    step = float(cell)

    def sweep():
        return mast_geometry(terrain, 0.0, 0.0, ANTENNA_M, TERMINAL_M, 20_000.0, grid, step_m=step)

    start = time.process_time()
    geometry = sweep()
    loss = geometry.loss_db(ghz, near_model=None)
    first_s = time.process_time() - start
    geometry_s = least(sweep)
    loss_s = least(lambda: geometry.loss_db(ghz, near_model=None))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    east, north = np.meshgrid(place, -place)

    def twin():
        return direct_loss(terrain, 0.0, 0.0, ANTENNA_M, TERMINAL_M, ghz, east, north, step_m=step)

    twin()
    start = time.process_time()
    exact = twin()
    direct_s = time.process_time() - start
    far = np.hypot(east, north) > 250.0
    gap = (loss - exact)[far & np.isfinite(loss)]
    np.savez(folder / f"ours_{cell}_{ghz}.npz", loss=loss, exact=exact.astype(np.float32))
    return {
        "cells": int(np.isfinite(loss).sum()),
        "geometry_s": geometry_s,
        "loss_s": loss_s,
        "cpu_s": geometry_s + loss_s,
        "first_s": first_s,
        "direct_s": direct_s,
        "peak_mib": peak,
        "mean_db": float(gap.mean()),
        "rms_db": float(np.sqrt((gap**2).mean())),
        "std_db": float(gap.std()),
        "max_db": float(np.abs(gap).max()),
    }


def part_points(folder: Path, ghz: float, kind: str, count: int = 300) -> dict:
    """Write random profiles of 30 m steps and our loss at their ends: the equal points.

    `kind` is ``bare`` or ``clutter``: 0, 10, 15 or 20 m drawn for every point between the ends.
    """
    from groundplan.engine.radio import bullington
    from groundplan.engine.radio.sweep_end import end_terms, least_edge, link_constants
    from groundplan.engine.radio.sweep_radial import sample_radial, sweep_radial

    terrain = ground(folder / "dem")
    rng = np.random.default_rng(3)
    points = rng.integers(20, 333, count) + 1
    height = np.zeros((count, int(points.max())))
    clutter = np.zeros_like(height)
    ours, twin = np.zeros(count), np.zeros(count)
    inverse = np.concatenate(([0.0], 1.0 / np.arange(1.0, 400.0)))
    none = np.zeros((0, 0), np.float32)
    ap = bullington.effective_radius_km(45.0)
    row, col = terrain.place(0.0, 0.0)
    for j, m in enumerate(points):
        n, theta = int(m) - 1, rng.uniform(0.0, 2.0 * math.pi)
        h, out = np.zeros(400), np.zeros((1, 4))
        sample_radial(
            terrain.height_m, none, row, col, -math.cos(theta), math.sin(theta), n, h, np.zeros(1)
        )
        height[j, :m] = h[:m]
        if kind == "clutter":
            clutter[j, 1:n] = rng.choice([0.0, 10.0, 15.0, 20.0], n - 1)
        c = np.zeros(400)
        c[:m] = clutter[j, :m]
        sweep_radial(
            h,
            c,
            True,
            n,
            n,
            1,
            500.0 / ap * 0.03**2,
            ANTENNA_M,
            TERMINAL_M,
            least_edge(0.4, 0.03),
            1.0 / math.sqrt(0.03),
            inverse,
            np.zeros((8, 400)),
            out,
            0,
        )
        loss = np.zeros(1, np.float32)
        end_terms(
            0,
            1,
            np.array([30.0 * n], np.float32),
            np.ascontiguousarray(out.T.astype(np.float32)),
            np.float32(0.03),
            link_constants(ghz, ap, "vertical"),
            loss,
        )
        ours[j] = loss[0]
        twin[j] = bullington.profile_bullington(
            np.arange(m) * 0.03,
            h[:m],
            clutter[j, :m],
            frequency_ghz=ghz,
            tx_height_m=ANTENNA_M,
            rx_height_m=TERMINAL_M,
        )
    np.savez(
        folder / f"points_{kind}_{ghz}.npz",
        height=height,
        clutter=clutter,
        count=points,
        step_m=30.0,
        frequency_ghz=ghz,
        ours=ours,
    )
    gap = ours - twin
    return {"points": count, "mean_db": float(gap.mean()), "max_db": float(np.abs(gap).max())}


def child(args: list[str], cwd: Path | None = None) -> tuple[str, float, float]:
    """Run a command; return its output, CPU seconds and peak MiB."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with subprocess.Popen(args, stdout=out, stderr=err, cwd=cwd) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise RuntimeError(f"{args[0]} ended with {process.returncode}: {err.read()[-2000:]}")
        return out.read(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024.0


def own_text(folder: Path, *part: str) -> str:
    here = str(Path(__file__))
    out, _, _ = child([sys.executable, here, "--work", str(folder), "--part", *part])
    return out


def own(folder: Path, *part: str) -> dict:
    found: dict = json.loads(own_text(folder, *part))
    return found


def part_covlib(folder: Path, raw: str, cell: int, ghz: float) -> dict:
    """Compare an area run of crc-covlib with our twin at its own points."""
    from groundplan.engine.radio.direct import direct_loss

    lat, lon, loss = np.fromfile(raw, np.float32).reshape(-1, 3).T.astype(float)
    east, north = dem.projection()(lon, lat)
    ours = direct_loss(
        ground(folder / "dem"),
        0.0,
        0.0,
        ANTENNA_M,
        TERMINAL_M,
        ghz,
        east,
        north,
        step_m=float(cell),
    )
    is_far = (np.hypot(east, north) > 250.0) & np.isfinite(ours) & (loss > 0)
    gap = (loss - ours)[is_far]
    side = math.isqrt(loss.size)
    north_up = (loss - ours).reshape(side, side)[::-1]
    np.savez(folder / f"map_{Path(raw).stem}.npz", gap=north_up)
    return {
        "mean_db": float(gap.mean()),
        "std_db": float(gap.std()),
        "max_db": float(np.abs(gap).max()),
    }


def covlib(folder: Path, peers: Path, cell: int, ghz: float, model: str) -> dict:
    """Area run of crc-covlib."""
    _, place = frame(cell)
    longitude, latitude = dem.projection()(
        [place[0], place[-1], 0.0, 0.0], [0.0, 0.0, place[0], place[-1]], inverse=True
    )
    box = [latitude[2], longitude[0], latitude[3], longitude[1]]
    raw = folder / f"covlib_{model}_{cell}_{ghz}.f32"
    args = [str(peers / "covlib_area"), str(folder / "dem"), dem.LATITUDE, dem.LONGITUDE, *box]
    args += [place.size, ghz * 1000.0, cell, model, raw]
    out, _, peak = child([str(a) for a in args])
    row = {"cells": place.size**2, "cpu_s": float(out.split()[0]), "peak_mib": peak}
    return row | own(folder, "covlib", str(raw), str(cell), str(ghz))


def splat(folder: Path, program: str, ghz: float) -> dict:
    """Area run of SPLAT! with Longley-Rice, radius to the corner; and net of one of 0.1 km."""
    is_hd = program == "splat-hd"
    work = folder / program
    work.mkdir(exist_ok=True)
    tile = work / "N34E113.hgt"
    if not any(work.glob("*.sdf")):
        whole = dem.read_hgt(dem.write_hgt(folder / "dem"))
        (whole if is_hd else whole[::3, ::3]).astype(">i2").tofile(tile)
        child(["srtm2sdf-hd" if is_hd else "srtm2sdf", str(tile)], work)
    (work / "tx.qth").write_text(f"TX\n{dem.LATITUDE}\n{360 - dem.LONGITUDE}\n{ANTENNA_M} meters\n")
    rules = [15.0, 0.005, 301.0, ghz * 1000.0, 5, 1, 0.5, 0.5]
    (work / "tx.lrp").write_text("".join(f"{value}\n" for value in rules))
    cpu = {}
    for radius in (CORNER_KM, 0.1):
        args = [program, "-t", "tx.qth", "-L", str(TERMINAL_M), "-R", str(radius), "-metric"]
        args += ["-olditm", "-N", "-d", str(work), "-ano", f"{radius:.1f}.ano", "-o", "map.ppm"]
        _, cpu[radius], peak = child(args, work)
    with (work / f"{CORNER_KM:.1f}.ano").open() as lines:
        cells = sum(1 for _ in lines) - 2
    net = cpu[CORNER_KM] - cpu[0.1]
    return {"cells": cells, "cpu_s": net, "all_s": cpu[CORNER_KM], "peak_mib": peak}


def python_peer(folder: Path, peers: Path, name: str, ghz: float, kind: str) -> dict:
    given, found = folder / f"points_{kind}_{ghz}.npz", folder / f"{name}_{kind}_{ghz}.npz"
    script = Path(__file__).with_name("peer_profiles.py")
    args = [str(peers / "venv" / "bin" / "python"), str(script), name, str(given), str(found)]
    _, _, peak = child([*args, "--py1812", str(peers / "Py1812" / "src")])
    theirs = np.load(found)
    gap = theirs["loss"] - np.load(given)["ours"]
    return {
        "cells": gap.size,
        "cpu_s": float(theirs["cpu_s"]),
        "peak_mib": peak,
        "mean_db": float(gap.mean()),
        "std_db": float(gap.std()),
        "max_db": float(np.abs(gap).max()),
    }


def draw(folder: Path) -> None:
    """Write every difference map as GeoTIFF and as PNG: blue below, red above, +-10 dB."""
    import rasterio
    from rasterio.transform import from_origin

    maps = {p.stem: np.load(p)["gap"] for p in folder.glob("map_*.npz")}
    for path in folder.glob("ours_*.npz"):
        found = np.load(path)
        maps[f"map_{path.stem}"] = found["loss"] - found["exact"]
    for name, gap in maps.items():
        cell = float(min(GRIDS, key=lambda c: abs(gap.shape[0] * c - 2.0 * HALF_M)))
        corner = gap.shape[0] * cell / 2.0
        where = from_origin(-corner, corner, cell, cell)
        profile = {"height": gap.shape[0], "width": gap.shape[1], "count": 1, "transform": where}
        crs = f"+proj=aeqd +lat_0={dem.LATITUDE} +lon_0={dem.LONGITUDE} +ellps=WGS84"
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", dtype="float32", crs=crs, **profile
        ) as out:
            out.write(gap.astype(np.float32), 1)
        side = np.nan_to_num(np.clip(gap / 10.0, -1.0, 1.0))
        fade = (255 * (1.0 - np.abs(side))).astype(np.uint8)
        full = np.full_like(fade, 255)
        bands = np.where(side > 0, [full, fade, fade], [fade, fade, full])
        profile |= {"count": 3}
        with rasterio.open(
            folder / f"{name}.png", "w", driver="PNG", dtype="uint8", **profile
        ) as out:
            out.write(bands)


def part_gridding(folder: Path) -> None:
    """Print how rate and error go with the spacing of radials, the kind of land and the reach."""
    from groundplan.engine.radio.direct import direct_loss
    from groundplan.engine.radio.sweep import mast_geometry
    from groundplan.engine.radio.terrain import Terrain

    tile = dem.read_hgt(dem.write_hgt(folder / "dem"))
    side = tile.shape[0] * 30.0
    noise = 60.0 + np.random.default_rng(0).normal(0.0, 0.4, tile.shape)
    lands = {
        "metric": ground(folder / "dem"),
        "tile": Terrain(tile, -side / 2, side / 2, 30.0, is_synthetic=True),
        "plain": Terrain(noise.astype(np.float32), -side / 2, side / 2, 30.0, is_synthetic=True),
    }
    print(
        "0.7 GHz, one thread; tile: its samples taken as 30 m squares; plain: white noise of 0.4 m"
    )
    for name, cell, half_m, spacing in (
        ("metric", 30.0, 10_000.0, 20.0),
        ("metric", 30.0, 10_000.0, 30.0),
        ("metric", 30.0, 10_000.0, 42.4),
        ("metric", 100.0, 10_000.0, 100.0),
        ("tile", 30.0, 10_000.0, 30.0),
        ("tile", 30.0, 10_000.0, 42.4),
        ("tile", 30.0, 45_000.0, 30.0),
        ("plain", 30.0, 10_000.0, 30.0),
    ):
        n = 2 * int(half_m / cell) + 1
        grid = (-n * cell / 2.0, n * cell / 2.0, cell, n, n)

        def run(land=lands[name], grid=grid, spacing=spacing):
            geometry = mast_geometry(
                land, 0.0, 0.0, ANTENNA_M, TERMINAL_M, 64_000.0, grid, spacing_m=spacing
            )
            return geometry, geometry.loss_db(0.7, near_model=None)

        geometry, loss = run()
        cpu_s = least(run, 3)
        rows, cols = np.nonzero(np.isfinite(loss) & (geometry.distance_m() > 250.0))
        chosen = np.random.default_rng(1).permutation(rows.size)[:15_000]
        rows, cols = rows[chosen], cols[chosen]
        east, north = geometry.window.east_m()[cols], geometry.window.up_m()[rows]
        twin = direct_loss(lands[name], 0.0, 0.0, ANTENNA_M, TERMINAL_M, 0.7, east, north)
        rms = np.sqrt(((loss[rows, cols] - twin) ** 2).mean())
        print(
            f"{name:7s} cell {cell:3.0f} m, half {half_m / 1e3:2.0f} km, spacing {spacing:5.1f} m: "
            f"rms {rms:.3f} dB, {1e-6 * np.isfinite(loss).sum() / cpu_s:5.2f} M cells/core-s"
        )


def show(name: str, cell: str, row: dict, ours: float | None = None) -> None:
    each = row["cpu_s"] / row["cells"]
    text = f"{name:28s} {cell:>6s} {row['cells']:8d} {row['cpu_s']:9.4f} {1e-6 / each:9.4f}"
    text += f" {each / ours:8.1f}" if ours else "        -"
    text += f" {row.get('peak_mib', math.nan):8.0f}"
    for key in ("mean_db", "std_db", "max_db"):
        text += f" {row[key]:9.4f}" if key in row else "         -"
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--ghz", type=float, nargs="+", default=[0.7, 2.6, 3.5])
    parser.add_argument("--maps", action="store_true")
    parser.add_argument("--gridding", action="store_true", help="only spacing, land and reach")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = args.work.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    dem.write_hgt(folder / "dem")
    if args.part:
        os.environ["GROUNDPLAN_THREADS"] = "1"
        kind, *rest = args.part
        if kind == "ours":
            print(json.dumps(part_ours(folder, int(rest[0]), float(rest[1]))))
        elif kind == "gridding":
            part_gridding(folder)
        elif kind == "covlib":
            print(json.dumps(part_covlib(folder, rest[0], int(rest[1]), float(rest[2]))))
        else:
            print(json.dumps(part_points(folder, float(rest[0]), rest[1])))
        return
    if args.gridding:
        print(own_text(folder, "gridding"), end="")
        return
    print(f"{platform.processor() or platform.machine()}, load {os.getloadavg()[0]:.1f}")
    print("difference: sweep from its twin at cell centres; peer minus our twin at its own points")
    print(
        f"{'':28s} {'cell':>6s} {'cells':>8s} {'CPU s':>9s} {'M/core-s':>9s} {'ratio':>8s}", end=""
    )
    print(f" {'MiB':>8s} {'mean dB':>9s} {'std dB':>9s} {'max dB':>9s}")
    for ghz in args.ghz:
        each = {}
        print(f"-- {ghz:g} GHz")
        for cell in GRIDS:
            row = own(folder, "ours", str(cell), str(ghz))
            each[cell] = row["cpu_s"] / row["cells"]
            show("sweep and grid", f"{cell} m", row)
            reuse = {k: v for k, v in row.items() if not k.endswith("_db")}
            show("  geometry at hand", f"{cell} m", reuse | {"cpu_s": row["loss_s"]}, each[cell])
            show(
                "  one profile per cell",
                f"{cell} m",
                reuse | {"cpu_s": row["direct_s"]},
                each[cell],
            )
        for kind in ("bare", "clutter"):
            found = own(folder, "points", str(ghz), kind)
            print(
                f"sweep from its twin at {found['points']} equal points, {kind}: "
                f"{found['max_db']:.1e} dB"
            )
        if args.peers is not None:
            peers = args.peers.resolve()
            for cell in GRIDS:
                for model in ("1812", "itm"):
                    row = covlib(folder, peers, cell, ghz, model)
                    show(f"crc-covlib {model}", f"{cell} m", row, each[cell])
            for name, kind in (
                ("py1812", "bare"),
                ("py1812", "clutter"),
                ("itmlogic", "bare"),
                ("pycraf", "bare"),
            ):
                row = python_peer(folder, peers, name, ghz, kind)
                show(f"{name}, equal points, {kind}", "30 m", row, each[30])
        for program, cell in (("splat", 100), ("splat-hd", 30)):
            if shutil.which(program):
                row = splat(folder, program, ghz)
                show(f"{program} -olditm, net", f"~{cell} m", row, each[cell])
                show(
                    f"{program} -olditm, all in",
                    f"~{cell} m",
                    row | {"cpu_s": row["all_s"]},
                    each[cell],
                )
    if args.maps:
        draw(folder)


if __name__ == "__main__":
    main()
