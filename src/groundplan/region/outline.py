"""A synthetic outline of a region: one smooth piece without holes, true to the area.

What is known is a label point and an area of each county, and places that lie inside. The outline
is the border between the counties and an outside that competes with them for cells: cell x goes to
the county with the least ``|x - label_j|^2 - psi_j`` where that is below h(x), and lies outside
elsewhere; psi gives every county its area (Aurenhammer, Hoffmann, Aronov 1998, doi
10.1007/PL00009187, for the diagram without an outside). With h = 0 that is a union of discs. Here
h is ``stiffness (G - 1/2)``, G being the inside blurred by a Gaussian, taken anew in every round:
gaps fill, bulges flatten, as in Merriman, Bence and Osher's motion by curvature (1992), while
every county keeps its area. Cells near a place, near a label point, or on the way between
neighbouring ones (the minimum spanning tree) never lie outside: that keeps the region in one piece.

All lengths are shares of R, the radius of a disc of the mean county area. Constants are set by hand
and matter little: blur 0.45 to 0.9, stiffness 1 to 3 and core 0.6 to 0.8 put 0.784 to 0.787 of
Henan's cells into the right county.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding

__all__ = ["draw_outline", "fit_psi"]

FloatArray = NDArray[np.float64]
#: Cells on which the outline is drawn: R is this many.
CELLS_PER_R = 18.0
#: Blur of the inside, and how much stiffer than the pull of a county the outside is.
BLUR_R, STIFFNESS = 0.65, 2.0
#: Kept inside: within this of a place, of a way between neighbours, of a county's own radius.
PLACE_R, WAY_R, CORE_RATIO = 0.11, 0.28, 0.7
#: Rounds of the blur, and steps of psi in each.
ROUNDS, STEPS = 12, 25
START_STEPS = 150
#: Counties that may own a cell: its nearest label points.
NEAREST = 16
#: The drawn line is smoothed over this many cells and thinned to this share of one.
LINE_BLUR_CELLS, LINE_CELLS = 3.0, 0.15


def fit_psi(
    psi: FloatArray, area: FloatArray, square: FloatArray, nearest: NDArray[np.int64],
    cell_area: float, steps: int, step: float = 0.5, outside: FloatArray | None = None,
    fixed: FloatArray | None = None,
) -> tuple[FloatArray, NDArray[np.int64]]:  # fmt: skip
    """Move the weights psi towards the areas and return them with the county of each cell.

    Parameters
    ----------
    psi : (n,) float64
        Where to start.
    area : (n,) float64
        Asked for.
    square : (n_cell, k) float64
        Squared distance of each cell to its nearest label points.
    nearest : (n_cell, k) int64
        Their numbers.
    cell_area : float
    steps : int
        Steps ``psi += step (area - area now)``.
    step : float
    outside : (n_cell,) float64, optional
        Where the least ``square - psi`` is not below this, a cell lies outside.
    fixed : (n,) float64, optional
        Area of cells that are not listed because their county is settled.

    Returns
    -------
    psi : (n,) float64
    county : (n_cell,) int64
        -1 outside; before the last step.
    """
    row = np.arange(square.shape[0])
    county = np.zeros(0, np.int64)
    for _ in range(steps):
        score = square - psi[nearest]
        best = score.argmin(axis=1)
        county = nearest[row, best]
        if outside is not None:
            county = np.where(score[row, best] < outside, county, -1)
        got = np.bincount(county[county >= 0], minlength=psi.size) * cell_area
        psi = psi + step * (area - got - (0.0 if fixed is None else fixed))
    return psi, county


def draw_outline(
    label_xy_m: FloatArray, area_m2: FloatArray, inside_xy_m: FloatArray
) -> tuple[Any, FloatArray]:
    """Return an outline for counties and the weights psi it was found with.

    Parameters
    ----------
    label_xy_m : (n, 2) float64
        A point in the middle of each county.
    area_m2 : (n,) float64
        Area of each county.
    inside_xy_m : (m, 2) float64
        Places known to lie inside; one that no county reaches is left outside.

    Returns
    -------
    outline : shapely Polygon
        One piece without holes, of the area of all counties.
    psi_m2 : (n,) float64
        For the power diagram inside, near its areas.
    """
    from scipy.ndimage import binary_fill_holes, gaussian_filter
    from scipy.spatial import cKDTree

    radius_m = float(np.sqrt(area_m2.mean() / np.pi))
    cell_m = radius_m / CELLS_PER_R
    reach = 1.6 * float(np.sqrt(area_m2.max() / np.pi))
    (west, south), (east, north) = label_xy_m.min(axis=0) - reach, label_xy_m.max(axis=0) + reach
    x, y = np.meshgrid(np.arange(west, east, cell_m), np.arange(north, south, -cell_m))
    shape = x.shape
    points = np.column_stack([x.ravel(), y.ravel()])
    k = min(NEAREST, len(label_xy_m))
    distance, nearest = (np.reshape(v, (-1, k)) for v in cKDTree(label_xy_m).query(points, k=k))
    from_way = cKDTree(way_points(label_xy_m, cell_m)).query(points)[0]
    listed = np.flatnonzero((distance[:, 0] < reach) | (from_way < reach / 2))
    points, distance, nearest = points[listed], distance[listed], nearest[listed].astype(np.int64)
    square = distance**2
    own = np.sqrt(area_m2 / np.pi)
    kept = (distance / own[nearest]).min(axis=1) < CORE_RATIO
    kept |= cKDTree(inside_xy_m).query(points)[0] < PLACE_R * radius_m
    kept |= from_way[listed] < WAY_R * radius_m
    blur = BLUR_R * CELLS_PER_R
    # at a border of G its slope is 1 / (sqrt(2 pi) blur) per cell, that of a county 2 R per length
    pull = STIFFNESS * 2 * radius_m * np.sqrt(2 * np.pi) * blur * cell_m
    outside = np.zeros(listed.size)
    inside = np.zeros(shape, bool)
    psi, _ = fit_psi(
        area_m2 / np.pi, area_m2, square, nearest, cell_m**2, START_STEPS, outside=outside
    )
    for _ in range(ROUNDS):
        outside[kept] = np.inf
        psi, county = fit_psi(psi, area_m2, square, nearest, cell_m**2, STEPS, outside=outside)
        inside = np.zeros(shape, bool)
        inside.ravel()[listed[county >= 0]] = True
        outside = pull * (gaussian_filter(inside.astype(float), blur).ravel()[listed] - 0.5)
    smooth = gaussian_filter(binary_fill_holes(inside).astype(float), LINE_BLUR_CELLS)
    mask = cut_to_area(smooth, float(area_m2.sum() / cell_m**2))
    corner = (west - cell_m / 2, north + cell_m / 2)
    return trace(mask, corner, cell_m, float(area_m2.sum())), psi


def way_points(label_xy_m: FloatArray, step_m: float) -> FloatArray:
    """Return points (n, 2) every `step_m` along the minimum spanning tree of the label points."""
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import cdist

    tree = minimum_spanning_tree(cdist(label_xy_m, label_xy_m)).tocoo()
    ways = [label_xy_m]
    for i, j, length_m in zip(tree.row, tree.col, tree.data, strict=True):
        share = np.arange(0, 1, step_m / length_m)[:, None]
        ways.append(label_xy_m[i] + share * (label_xy_m[j] - label_xy_m[i]))
    return np.vstack(ways)


def cut_to_area(smooth: FloatArray, n_cell: float) -> NDArray[np.bool_]:
    """Return the largest piece above the level that leaves `n_cell` cells, its holes filled."""
    from scipy.ndimage import binary_fill_holes, label

    def piece(level: float) -> NDArray[np.bool_]:
        number, n = label(smooth > level)
        largest = 1 + int(np.argmax(np.bincount(number.ravel(), minlength=n + 1)[1:])) if n else 1
        return np.asarray(binary_fill_holes(number == largest))

    low, high = 0.0, 1.0
    for _ in range(40):
        level = (low + high) / 2
        low, high = (level, high) if piece(level).sum() > n_cell else (low, level)
    return piece(low)


def trace(
    mask: NDArray[np.bool_], corner: tuple[float, float], cell_m: float, area_m2: float
) -> Any:
    """Return the border of a mask as a smooth polygon of exactly `area_m2`."""
    import shapely
    from rasterio.features import shapes
    from rasterio.transform import from_origin
    from scipy.ndimage import gaussian_filter1d

    pieces = [
        shapely.geometry.shape(g)
        for g, value in shapes(
            mask.astype(np.uint8), transform=from_origin(*corner, cell_m, cell_m)
        )
        if value == 1
    ]
    ring = max(pieces, key=lambda piece: piece.area).exterior
    n = round(ring.length / cell_m)
    steps = shapely.line_interpolate_point(ring, np.arange(n) * (ring.length / n))
    line = shapely.get_coordinates(steps)
    line = gaussian_filter1d(line, LINE_BLUR_CELLS, axis=0, mode="wrap")
    outline = shapely.Polygon(line).simplify(LINE_CELLS * cell_m)
    for _ in range(5):
        # a parallel line at distance d adds d times the length
        step = (area_m2 - outline.area) / outline.length
        outline = outline.buffer(step, join_style="mitre")
    if outline.geom_type != "Polygon" or len(outline.interiors) or not outline.is_valid:
        raise DataError(
            Finding(
                "borders", 0, "outline", outline.geom_type, "one piece without holes",
                "are all label points and areas right? or give polygons of the counties",
            )
        )  # fmt: skip
    return outline
