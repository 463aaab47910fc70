"""Kernels of the table engine: every sector on every cell of a tile, without a root or a logarithm.

A tile of 64 x 64 cells is worked in blocks of 16 x 16, and all arithmetic of a block runs over one
float32 workspace of rows of 256 numbers, so that compilers turn every inner loop into vector code.
Table readings stand in loops of their own: an indirect read would keep the loop around it scalar.
Nothing is reassociated, so the bytes do not depend on the width of the vectors.

A table holds the mean gain over ground distance, one entry for 1/128 of each octave of the squared
distance, found from the bits of its float32. An entry is 64 bits: the gain (float32), its slope and
the floor of the horizontal pattern (the upper 16 bits of a float32 each).
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["BLOCK", "DIRECTIONS", "OCTAVE_BITS", "TILE", "rank_tiles"]

#: Cells along the side of a tile and of a block.
TILE = 64
BLOCK = 16
CELLS = BLOCK * BLOCK
#: An octave of the squared distance has ``2**OCTAVE_BITS`` entries.
OCTAVE_BITS = 7
#: Entries of a pattern table in each of its four quadrants.
DIRECTIONS = 2048

SHIFT = np.uint32(23 - OCTAVE_BITS)
REST = np.uint32((1 << (23 - OCTAVE_BITS)) - 1)
HIGH = np.uint32(0xFFFF0000)
LOW = np.uint64(0xFFFFFFFF)
#: First guess of an inverse root from the bits of a float32; two Newton steps follow.
ROOT_GUESS = np.uint32(0x5F375A86)
ZERO = np.float32(0.0)
HALF = np.float32(0.5)
ONE = np.float32(1.0)
THREE_HALVES = np.float32(1.5)
#: Least squared offset of which a direction is taken, m^2.
LEAST2 = np.float32(1e-4)
#: Pattern tables are read at a sine or cosine in -0.7072 .. 0.7072.
SPAN = np.float32(0.7072)
PER_ENTRY = np.float32((DIRECTIONS - 1) / (2 * 0.7072))

# rows of the workspace, CELLS numbers each
ROW = CELLS
X, Y, EAST, NORTH, GAIN, FLOOR, SHARE, TOP = (ROW * r for r in range(8))


@jit
def distances(n, w, x, y, reach2, least2, entry, table, where, read):
    """Fill direction, gain and floor of cells ``a .. b`` of the block as seen from a mast."""
    for i in range(n):
        east = w[X + i] - x
        north = w[Y + i] - y
        d2 = min(max(east * east + north * north, least2), reach2)
        where[i] = np.int32(np.float32(d2).view(np.uint32) >> SHIFT)
    for i in range(n):
        read[i] = table[np.uint64(entry + np.int64(where[i]))]
    for i in range(n):
        east = w[X + i] - x
        north = w[Y + i] - y
        d2 = east * east + north * north
        q = max(d2, LEAST2)
        root = np.uint32(
            ROOT_GUESS - np.uint32(np.float32(q).view(np.uint32) >> np.uint32(1))
        ).view(np.float32)
        h = HALF * q
        root = root * (THREE_HALVES - h * root * root)
        root = root * (THREE_HALVES - h * root * root)
        w[EAST + i] = east * root
        w[NORTH + i] = north * root
        near2 = min(max(d2, least2), reach2)
        rest = np.float32(np.int32(np.float32(near2).view(np.uint32) & REST))
        low = np.uint32(read[i] & LOW)
        high = np.uint32(read[i] >> np.uint64(32))
        slope = np.uint32(high & HIGH).view(np.float32)
        gain = np.uint32(low).view(np.float32) + slope * rest
        w[GAIN + i] = gain if d2 <= reach2 else ZERO
        w[FLOOR + i] = np.uint32(high << np.uint32(16)).view(np.float32)


@jit
def over_terrain(w, row, stop, col, cols, window, box, loss, ratio):
    """Multiply GAIN by what comes through the terrain; 0 outside the mast's window."""
    for j in range(stop - row):
        for i in range(BLOCK):
            y = row + j - box[0]
            x = col + i - box[1]
            at = GAIN + BLOCK * j + i
            if i < cols and 0 <= y < box[2] and 0 <= x < box[3]:
                w[at] *= ratio[loss[window + np.int64(y) * box[3] + x]]
            else:
                w[at] = ZERO


@jit
def shape_power(n, w, sine, cosine, power, shape):
    """Fill SHARE with the power of a sector whose pattern is the eighth power of a polynomial."""
    p0, p1, p2, p3, p4, p5, far = (
        shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6],
    )  # fmt: skip
    for i in range(n):
        c = w[EAST + i] * sine + w[NORTH + i] * cosine
        t = min(ONE - c, far)
        h = ((((p5 * t + p4) * t + p3) * t + p2) * t + p1) * t + p0
        h = h * h
        h = h * h
        w[SHARE + i] = w[GAIN + i] * (max(h * h, w[FLOOR + i]) * power)


@jit
def shape_best(n, w, sums, sine, cosine, power, shape, factor, name):
    """Do `shape_power`, `add_share` and `keep_best` in one loop: a third faster than three."""
    p0, p1, p2, p3, p4, p5, far = (
        shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6],
    )  # fmt: skip
    for i in range(n):
        c = w[EAST + i] * sine + w[NORTH + i] * cosine
        t = min(ONE - c, far)
        h = ((((p5 * t + p4) * t + p3) * t + p2) * t + p1) * t + p0
        h = h * h
        h = h * h
        g = w[GAIN + i] * (max(h * h, w[FLOOR + i]) * power)
        sums[i] += g * factor
        is_more = g > w[TOP + i]
        w[TOP + i] = g if is_more else w[TOP + i]
        w[TOP + ROW + i] = name if is_more else w[TOP + ROW + i]


@jit
def table_power(n, w, sine, cosine, power, directions, where, read):
    """Fill SHARE with the power of a sector whose pattern stands in a table of directions.

    The entry is found from the sine on the side of the beam and of the back, and from the cosine
    to the right and left, so that neighbouring entries lie at most 0.06 degrees apart.
    """
    for i in range(n):
        c = w[EAST + i] * sine + w[NORTH + i] * cosine
        s = w[EAST + i] * cosine - w[NORTH + i] * sine
        is_along = c * c >= s * s
        v = s if is_along else c
        side = c if is_along else s
        quadrant = (np.int32(0) if is_along else np.int32(2)) + (
            np.int32(0) if side >= ZERO else np.int32(1)
        )
        at = np.int32(min(max(v + SPAN, ZERO), SPAN + SPAN) * PER_ENTRY + HALF)
        where[i] = np.int32(quadrant * np.int32(DIRECTIONS) + at)
    for i in range(n):
        read[i] = directions[np.uint64(where[i])]
    for i in range(n):
        w[SHARE + i] = w[GAIN + i] * (max(read[i], w[FLOOR + i]) * power)


@jit
def keep_best(n, w, name):
    """Let a sector be the server of the cells where its power is the greatest so far."""
    for i in range(n):
        is_more = w[SHARE + i] > w[TOP + i]
        w[TOP + i] = w[SHARE + i] if is_more else w[TOP + i]
        w[TOP + ROW + i] = name if is_more else w[TOP + ROW + i]


@jit
def keep_some(n, w, name, k):
    """Insert a sector into the list of the `k` strongest of each cell.

    List entry s of a cell stands at ``TOP + 2 s CELLS`` (power) and one row further (sector).
    """
    last = TOP + 2 * (k - 1) * ROW
    hits = np.int32(0)
    for i in range(n):
        hits += np.int32(1) if w[SHARE + i] > w[last + i] else np.int32(0)
    if hits == 0:
        return
    for i in range(n):
        g = w[SHARE + i]
        if g <= w[last + i]:
            continue
        s = last + i
        while s >= TOP + 2 * ROW and w[s - 2 * ROW] < g:
            w[s] = w[s - 2 * ROW]
            w[s + ROW] = w[s - ROW]
            s -= 2 * ROW
        w[s] = g
        w[s + ROW] = name


@jit
def add_share(n, w, sums, factor):
    """Add a sector's power, times its load, to the sum of its channel."""
    for i in range(n):
        sums[i] += w[SHARE + i] * factor


@jit
def fill(w, lo, hi, value):
    """Set ``w[lo:hi]``."""
    for i in range(lo, hi):
        w[i] = value


@jit
def forget(w, i, k, n_channel):
    """Clear the results of a cell outside the region."""
    for s in range(k):
        w[TOP + 2 * s * ROW + i] = ZERO
        w[TOP + (2 * s + 1) * ROW + i] = np.float32(-1.0)
    for c in range(n_channel):
        w[TOP + (2 * k + c) * ROW + i] = ZERO


@jit
def rank_tiles(
    lo, hi, tiles, n_row, n_col, cell_m, inside, indptr, mast, place, reach, entry, channel,
    first, direction, power, load, name, undo, kind, table, shapes, directions, least2, window,
    box, loss, ratio, k, n_channel,
    is_added, top_power, top_sector, total, worked,
):  # fmt: skip
    """Rank the sectors of every cell of some tiles, and add their powers up by channel.

    Parameters
    ----------
    lo, hi : int
        Range of `tiles` to work.
    tiles : (n,) int64
        Numbers of tiles, row-major.
    n_row, n_col, cell_m
        The grid.
    inside : (n_row, n_col) bool, or (0, 0)
        Cells to compute.
    indptr, mast : (n_tile + 1,) int64, (n_pair,) int32
        Masts (groups of sectors that share a table) that reach each tile.
    place : (n_group, 2) float64
        Metres east and south of the grid's corner.
    reach : (n_group,) float32
        Squared, m^2.
    entry : (n_group,) int64
        Where the table of the group would hold the entry of a squared distance of 0 bits.
    channel : (n_group,) int32
    first : (n_group + 1,) int64
        Sectors of each group, in the group's order.
    direction : (n_sector, 2) float32
        Sine and cosine of the azimuth.
    power, load : (n_sector,) float32
        Radiated power of an element times the rank's factor, mW; load over that factor.
    name : (n_sector,) float32
        Row of the sector table, exact as float32.
    undo : (n_sector,) float32
        One over the rank's factor, by row of the sector table.
    kind : (n_sector,) int32
        Pattern; those with ``shapes[kind, 7] > 0`` are read from `directions`.
    table : (n_entry,) uint64
    shapes : (n_pattern, 8) float32
    directions : (n_pattern, 4 * DIRECTIONS) float32
    least2 : float32
        Least squared distance of the models, m^2.
    window, box : (n_group,) int64, (n_group, 4) int32
        Where the losses of the group's mast begin in `loss`, -1 without terrain; first row, first
        column, rows and columns of its window.
    loss, ratio : (n,) uint16, (65536,) float32
        Losses over terrain in steps of a decibel, and the ratio of power for each step.
    k, n_channel : int
        Strongest sectors to keep (0: only the sums), channels.
    is_added : bool
        Add to what stands in `total` instead of starting from nothing.
    top_power, top_sector : (k, n_row, n_col) float32, int32
        Output: strongest sectors, mW; -1 where there is none.
    total : (n_channel, n_row, n_col) float32
        Output: sum of power times load, mW.
    worked : (n,) int64
        Output: pairs of sector and cell worked, those outside a reach among them.
    """
    sums = TOP + 2 * k * ROW
    w = np.zeros(sums + n_channel * ROW, np.float32)
    where = np.zeros(CELLS, np.int32)
    read = np.zeros(CELLS, np.uint64)
    part = np.zeros(CELLS, np.float32)
    across = (n_col + TILE - 1) // TILE
    side = np.float32(BLOCK * cell_m)
    for j in range(BLOCK):
        for i in range(BLOCK):
            w[X + BLOCK * j + i] = np.float32((i + 0.5) * cell_m)
            # rows run to the south, directions to the north
            w[Y + BLOCK * j + i] = np.float32(-(j + 0.5) * cell_m)
    for t in range(lo, hi):
        tile = tiles[t]
        done = 0
        for b in range((TILE // BLOCK) ** 2):
            row = (tile // across) * TILE + (b // (TILE // BLOCK)) * BLOCK
            col = (tile % across) * TILE + (b % (TILE // BLOCK)) * BLOCK
            if row >= n_row or col >= n_col:
                continue
            rows = min(BLOCK, n_row - row)
            cols = min(BLOCK, n_col - col)
            is_asked = inside.size == 0
            for j in range(rows if not is_asked else 0):
                for i in range(cols):
                    is_asked = is_asked or inside[row + j, col + i]
            fill(w, TOP, w.size, ZERO)
            for c in range(n_channel if is_added else 0):
                for j in range(rows):
                    for i in range(cols):
                        w[sums + c * ROW + BLOCK * j + i] = total[c, row + j, col + i]
            for s in range(k):
                fill(w, TOP + (2 * s + 1) * ROW, TOP + (2 * s + 2) * ROW, np.float32(-1.0))
            for q in range(indptr[tile], indptr[tile + 1] if is_asked else indptr[tile]):
                m = mast[q]
                x = np.float32(place[m, 0] - col * cell_m)
                y = np.float32(row * cell_m - place[m, 1])
                reach2 = reach[m]
                out = max(-x, x - side, ZERO)
                if out * out > reach2:
                    continue
                # rows whose centres the circle reaches, a thousandth of a cell to spare for float32
                chord = np.sqrt(reach2 - out * out)
                top = int(max(np.ceil((-y - chord) / cell_m - 0.501), 0.0))
                bottom = int(min(np.floor((-y + chord) / cell_m + 0.501), np.float64(rows)))
                if bottom <= top:
                    continue
                a = BLOCK * top
                z = BLOCK * bottom
                v = w[a:]
                distances(z - a, v, x, y, reach2, least2, entry[m], table, where, read)
                if window[m] >= 0:
                    over_terrain(
                        v, row + top, row + bottom, col, cols, window[m], box[m], loss, ratio
                    )
                into = sums + channel[m] * ROW
                for s in range(first[m], first[m + 1]):
                    shape = shapes[kind[s]]
                    if k == 1 and shape[7] == ZERO:
                        shape_best(
                            z - a,
                            v,
                            v[into:],
                            direction[s, 0],
                            direction[s, 1],
                            power[s],
                            shape,
                            load[s],
                            name[s],
                        )
                        continue
                    if shape[7] > ZERO:
                        table_power(
                            z - a, v, direction[s, 0], direction[s, 1], power[s],
                            directions[kind[s]], where, part,
                        )  # fmt: skip
                    else:
                        shape_power(z - a, v, direction[s, 0], direction[s, 1], power[s], shape)
                    add_share(z - a, v, v[into:], load[s])
                    if k == 1:
                        keep_best(z - a, v, name[s])
                    elif k > 1:
                        keep_some(z - a, v, name[s], k)
                done += (z - a) * (first[m + 1] - first[m])
            if inside.size > 0:
                for j in range(rows):
                    for i in range(cols):
                        if not inside[row + j, col + i]:
                            forget(w, BLOCK * j + i, k, n_channel)
            for c in range(n_channel):
                for j in range(rows):
                    for i in range(cols):
                        total[c, row + j, col + i] = w[sums + c * ROW + BLOCK * j + i]
            for s in range(k):
                at = TOP + 2 * s * ROW
                for j in range(rows):
                    for i in range(cols):
                        who = np.int32(w[at + ROW + BLOCK * j + i])
                        top_sector[s, row + j, col + i] = who
                        top_power[s, row + j, col + i] = (
                            w[at + BLOCK * j + i] * undo[who] if who >= 0 else ZERO
                        )
        worked[t] = done
