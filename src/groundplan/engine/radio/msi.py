"""MSI Planet antenna files: header words, then a horizontal and a vertical cut of attenuation.

::

    NAME        K 739 656
    FREQUENCY   1855
    GAIN        15.9 dBd
    TILT        ELECTRICAL
    ELECTRICAL_TILT 6
    HORIZONTAL  360
    0.0  0.0
    1.0  0.1
    ...
    VERTICAL    360
    0.0  8.2
    ...

A gain without unit is in dBd, as the format has it (0 dBd is 2.15 dBi). The vertical cut
counts downwards: 90 is the ground; where the stated electrical tilt shows that a file counts
upwards, it is turned and a note says so. The text is parsed here, the file opened outside.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from groundplan.engine.radio.antenna import Antenna, Cuts
from groundplan.errors import Findings

__all__ = ["DBD_DBI", "parse_msi"]

#: Gain of a half-wave dipole, dBi.
DBD_DBI = 2.15
#: Largest step between neighbouring angles of a cut, degrees.
MAX_STEP_DEG = 15.0
#: Beams within this of the horizon are taken for a tilt where the file states none, degrees.
MAX_TILT_DEG = 20.0
MAX_ROWS = 100_000
#: Faults told of one cut; the rest is a count.
MAX_FAULTS = 50
CUTS = ("HORIZONTAL", "VERTICAL")
Line = tuple[int, list[str]]


def parse_msi(text: str, file: str = "antenna.msi", *, combine: str = "sum") -> Antenna:
    r"""Read the text of an MSI Planet file.

    Parameters
    ----------
    text : str
    file : str
        Name for the error.
    combine : str
        How the planes are joined, see `Cuts`.

    Returns
    -------
    Antenna
        `notes` tells what the file left open.

    Raises
    ------
    DataError
        Every fault of the file with its line, value and what was expected.

    Examples
    --------
    >>> ring = "\n".join(f"{a} {a / 10 if a <= 180 else (360 - a) / 10}" for a in range(360))
    >>> text = f"NAME test\nGAIN 15 dBi\nHORIZONTAL 360\n{ring}\nVERTICAL 360\n{ring}"
    >>> parse_msi(text).gain_dbi(20.0, 0.0)
    13.0
    """
    found = Findings(file)
    head, cuts = _split(text, found)
    name = " ".join(head["NAME"][1]) if "NAME" in head else file
    gain_dbi, notes = _gain(head, found)
    read = {word: _cut(word, cuts.get(word), found) for word in CUTS}
    if "FREQUENCY" in head:
        line, words = head["FREQUENCY"]
        if not words or _number(words[0]) is None:
            found.add(line, "FREQUENCY", " ".join(words) or "nothing", "MHz as a number")
    stated = _stated_tilt(head, found)
    found.raise_if_any()
    (h_deg, h_db), (v_deg, v_db) = read["HORIZONTAL"], read["VERTICAL"]
    peak = float(v_deg[int(np.argmin(v_db))])
    peak = peak - 360.0 if peak > 180.0 else peak
    if stated is not None and stated >= 1.0 and abs(peak + stated) <= 1.5:
        order = np.argsort((-v_deg) % 360.0, kind="stable")
        v_deg, v_db, peak = ((-v_deg) % 360.0)[order], v_db[order], -peak
        notes.append("the vertical cut counts upwards by the stated tilt: turned")
    tilt = stated
    if tilt is None:
        tilt = peak if abs(peak) <= MAX_TILT_DEG else 0.0
        notes.append(f"no electrical tilt stated: {tilt:g} degrees, where the vertical cut peaks")
    elif abs(peak - tilt) > 2.0:
        notes.append(f"stated electrical tilt {tilt:g} but the vertical cut peaks at {peak:g}")
    for word, db in (("horizontal", h_db), ("vertical", v_db)):
        if db.min() > 0.5:
            notes.append(f"the {word} cut never comes nearer than {db.min():g} dB to the gain")
    pattern = Cuts(h_deg, h_db, v_deg, v_db, combine)
    return Antenna(name, gain_dbi, pattern, None, tilt, tuple(notes))


def _number(word: str) -> float | None:
    """Return a finite number, or None; a decimal comma is read as a point."""
    try:
        value = float(word.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _split(
    text: str, found: Findings
) -> tuple[dict[str, Line], dict[str, tuple[Line, list[Line]]]]:
    """Return the header words, and each cut with its rows."""
    head: dict[str, Line] = {}
    cuts: dict[str, tuple[Line, list[Line]]] = {}
    rows: list[Line] | None = None
    wanted = 0
    for number, raw in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        words = raw.split()
        if not words:
            continue
        key = words[0].upper().rstrip(":")
        if key in CUTS:
            if key in cuts:
                found.add(number, key, "the cut twice", "each cut once", "delete one of them")
            rows = []
            cuts[key] = ((number, words[1:]), rows)
            count = _number(words[1]) if len(words) > 1 else None
            wanted = MAX_ROWS if count is None else int(count)
        elif rows is not None and (len(rows) < wanted or _number(words[0]) is not None):
            rows.append((number, words))
        else:
            head.setdefault(key, (number, words[1:]))
    return head, cuts


def _gain(head: dict[str, Line], found: Findings) -> tuple[float, list[str]]:
    """Return the gain in dBi and what was assumed about it."""
    if "GAIN" not in head:
        found.add(0, "GAIN", "no such line", "GAIN with a number and dBd or dBi", "add the line")
        return 0.0, []
    line, words = head["GAIN"]
    match = re.fullmatch(r"([-+]?[\d.,]+)\s*([A-Za-z]*)", " ".join(words))
    value = _number(match.group(1)) if match else None
    unit = match.group(2).casefold() if match else ""
    if value is None or unit not in {"", "dbd", "dbi"}:
        got = " ".join(words) or "nothing"
        found.add(line, "GAIN", got, "a number and dBd or dBi", "write for example 15.9 dBd")
        return 0.0, []
    if unit == "dbi":
        return value, []
    notes = [] if unit else ["gain without unit: dBd, as the format has it"]
    return value + DBD_DBI, notes


def _stated_tilt(head: dict[str, Line], found: Findings) -> float | None:
    """Return the electrical tilt of the header, None where it states none."""
    for key in ("ELECTRICAL_TILT", "TILT"):
        if key not in head:
            continue
        line, words = head[key]
        told = [v for v in map(_number, words) if v is not None]
        if told:
            return told[0]
        if key == "ELECTRICAL_TILT":
            found.add(line, key, " ".join(words) or "nothing", "degrees as a number")
    return None


def _cut(word: str, cut: tuple[Line, list[Line]] | None, found: Findings) -> tuple[Any, Any]:
    """Return angles and attenuation of one cut, sorted; faults go to `found`."""
    empty = np.zeros(0), np.zeros(0)
    if cut is None:
        found.add(0, word, "no such cut", f"a line {word} 360 and its rows", "export it again")
        return empty
    (line, words), rows = cut
    count = _number(words[0]) if words else None
    if count is None or count != int(count) or count < 2:
        got = " ".join(words) or "nothing"
        found.add(line, word, got, "the number of rows that follow, >= 2", "correct the count")
    elif len(rows) != int(count):
        found.add(
            line, word, f"{len(rows)} rows", f"{int(count)} rows, as the line says",
            "restore the missing rows or correct the count",
        )  # fmt: skip
    angle, loss, at = [], [], []
    before = len(found)
    faults = 0
    for number, row in rows:
        values = [_number(w) for w in row[:2]]
        got = " ".join(row)
        if len(row) != 2 or None in values:
            expected, hint = "two numbers: angle and attenuation", "restore the row"
        elif not 0.0 <= float(values[0] or 0.0) <= 360.0:
            expected, hint = "an angle of 0 to 360 degrees", "write -10 as 350"
        elif float(values[1] or 0.0) < 0.0:
            expected = "an attenuation >= 0 dB"
            hint = "is it a gain? change its sign, and let the peak be 0"
        else:
            angle.append(float(values[0] or 0.0))
            loss.append(float(values[1] or 0.0))
            at.append(number)
            continue
        faults += 1
        if faults <= MAX_FAULTS:
            found.add(number, word, got, expected, hint)
    if faults > MAX_FAULTS:
        found.add(line, word, f"{faults} rows like those", "rows of two numbers")
    if len(angle) < 2 or len(found) > before:
        return empty
    degrees = np.array(angle)
    is_end = (degrees == 360.0) & (degrees.min() == 0.0)
    degrees, db, numbers = degrees[~is_end] % 360.0, np.array(loss)[~is_end], np.array(at)[~is_end]
    order = np.argsort(degrees, kind="stable")
    degrees, db, numbers = degrees[order], db[order], numbers[order]
    step = np.diff(np.append(degrees, degrees[0] + 360.0))
    for i in np.flatnonzero(step == 0.0)[:MAX_FAULTS]:
        got = f"{degrees[i]:g} twice"
        found.add(int(numbers[i + 1]), word, got, "each angle once", "delete one of the rows")
    for i in np.flatnonzero(step > MAX_STEP_DEG)[:MAX_FAULTS]:
        got = f"a gap of {step[i]:g} degrees after {degrees[i]:g}"
        expected = f"angles round the circle, at most {MAX_STEP_DEG:g} apart"
        found.add(int(numbers[i]), word, got, expected, "export the cut again")
    return degrees, db
