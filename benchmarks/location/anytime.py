"""Anytime curves (time, value, bound) as a small SVG, drawn without a plotting library."""

from __future__ import annotations

from html import escape
from math import ceil, floor, log10
from pathlib import Path

#: Okabe and Ito's colours, told apart by colour-blind readers; dashes tell the lines apart too.
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 360, 64, 30, 210, 44


def gap_steps(curve: list[list[float | None]], end_s: float, *, maximize: bool):
    """Return (time, gap) of a curve as it falls; points without value or bound are left out."""
    points: list[tuple[float, float]] = []
    best_value = best_bound = None
    for time_s, value, bound in curve:
        if value is not None:
            keep = best_value is None or (value > best_value) is maximize
            best_value = value if keep else best_value
        if bound is not None:
            keep = best_bound is None or (bound < best_bound) is maximize
            best_bound = bound if keep else best_bound
        if best_value is None or best_bound is None:
            continue
        top = best_bound if maximize else best_value
        gap = abs(best_bound - best_value) / top if top > 0 else 1.0
        if not points or gap != points[-1][1]:
            points.append((max(time_s, 1e-3), min(gap, 1.0)))
    if points:
        points.append((max(end_s, points[-1][0]), points[-1][1]))
    return points


def decades(low: float, high: float) -> tuple[int, int]:
    first, last = floor(log10(low)), ceil(log10(high))
    return first, max(last, first + 1)


def write_figure(
    path: Path, title: str, lines: dict[str, list[tuple[float, float]]], clock: str = "wall"
) -> None:
    """Write gap over time, both logarithmic; a gap of zero is drawn on the lower edge."""
    lines = {k: v for k, v in lines.items() if v}
    times = [t for line in lines.values() for t, _ in line]
    gaps = [g for line in lines.values() for _, g in line if g > 0]
    t0, t1 = decades(min(times, default=0.1), max(times, default=1.0))
    g0, g1 = decades(max(1e-6, min(gaps, default=0.01)) * 0.999, max(gaps, default=1.0))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(t: float) -> float:
        return LEFT + wide * (log10(t) - t0) / (t1 - t0)

    def y(g: float) -> float:
        place = (log10(g) - g0) / (g1 - g0) if g > 0 else 0.0
        return TOP + high * (1.0 - min(1.0, max(0.0, place)))

    out = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="12" role="img">'
        ),
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{escape(title)}</text>',
    ]
    for k in range(t0, t1 + 1):
        at = x(10.0**k)
        out += [
            f'<path d="M{at:.1f} {TOP}V{TOP + high}" stroke="#dddddd"/>',
            f'<text x="{at:.1f}" y="{TOP + high + 16}" text-anchor="middle">{10.0**k:g} s</text>',
        ]
    for k in range(g0, g1 + 1):
        at = y(10.0**k)
        out += [
            f'<path d="M{LEFT} {at:.1f}H{LEFT + wide}" stroke="#dddddd"/>',
            f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{10.0 ** (k + 2):g} %</text>',
        ]
    out.append(
        f'<text x="{LEFT + wide / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{'CPU' if clock == 'cpu' else 'wall'} seconds from raw input (logarithmic); "
        "gap = (bound - value) / larger</text>"
    )
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        style = ("", "6 3", "2 2", "8 2 2 2")[(number // 2) % 4]
        path_data, last = [], None
        for t, g in line:
            path_data.append(
                f"M{x(t):.1f} {y(g):.1f}" if last is None else f"H{x(t):.1f}V{y(g):.1f}"
            )
            last = g
        dash = f' stroke-dasharray="{style}"' if style else ""
        row = TOP + 14 + 18 * number
        out += [
            (
                f'<path d="{"".join(path_data)}" fill="none" stroke="{colour}" '
                f'stroke-width="2"{dash}/>'
            ),
            (
                f'<path d="M{WIDTH - RIGHT + 12} {row - 4}h24" stroke="{colour}" '
                f'stroke-width="2"{dash}/>'
            ),
            f'<text x="{WIDTH - RIGHT + 42}" y="{row}">{escape(name)}</text>',
        ]
    out.append("</svg>")
    path.write_text("\n".join(out) + "\n", encoding="utf-8")
