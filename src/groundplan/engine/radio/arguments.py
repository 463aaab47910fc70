"""Arguments as callers give them: turned into arrays, or refused by name.

Text is no number, nor is true or false; a masked array is one with holes.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["above", "between", "finite", "fit", "one", "plain", "real", "row_lengths", "verticals"]

FloatArray = NDArray[np.float64]


def plain(word: Any) -> str:
    """Return the letters and digits of a name in lower case; nothing of what is no text."""
    return "".join(c for c in word.casefold() if c.isalnum()) if isinstance(word, str) else ""


def real(name: str, value: Any) -> FloatArray:
    """Return an argument as float64, or say what in it is no number."""
    if np.ma.isMaskedArray(value):
        value = np.ma.filled(value.astype(np.float64), np.nan)
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be numbers in rows of one length; got uneven rows") from None
    if array.dtype.kind not in "iuf":
        wrong = [x for x in array.flat if isinstance(x, bool) or not isinstance(x, Real)]
        if wrong:
            got = wrong[0].item() if isinstance(wrong[0], np.generic) else wrong[0]
            raise ValueError(f"{name} must be numbers; got {got!r:.40}")
    return np.asarray(array, dtype=np.float64)


def finite(name: str, value: Any) -> FloatArray:
    """Return an argument as finite numbers, or say which value is not."""
    x = real(name, value)
    good = np.isfinite(x)
    if not good.all():
        raise ValueError(f"{name} must be finite; got {x[~good].flat[0]:g}")
    return x


def above(name: str, value: Any, least: float, *, is_open: bool = True) -> FloatArray:
    """Return an argument as finite numbers above a bound, or say which value is not."""
    x = real(name, value)
    good = np.isfinite(x) & ((x > least) if is_open else (x >= least))
    if not good.all():
        sign, got = ">" if is_open else ">=", x[~good].flat[0]
        ending = " and finite" if got == np.inf else ""
        raise ValueError(f"{name} must be {sign} {least:g}{ending}; got {got:g}")
    return x


def between(name: str, value: Any, low: float, high: float) -> FloatArray:
    """Return an argument as numbers between two bounds, both excluded, or say which is not."""
    x = real(name, value)
    good = (x > low) & (x < high)
    if not good.all():
        raise ValueError(f"{name} must be > {low:g} and < {high:g}; got {x[~good].flat[0]:g}")
    return x


def one(name: str, value: Any) -> float:
    """Return an argument as one finite number, or say what it is instead."""
    x = finite(name, value)
    if x.ndim:
        raise ValueError(f"{name} must be one number; got shape {x.shape}")
    return float(x)


def fit(**arrays: Any) -> tuple[int, ...]:
    """Return the shape to which the arguments broadcast, or name their shapes."""
    try:
        return np.broadcast_shapes(*(np.shape(a) for a in arrays.values()))
    except ValueError:
        told = ", ".join(f"{name} {np.shape(a)}" for name, a in arrays.items() if np.ndim(a))
        raise ValueError(
            f"arguments must be one number each or arrays that broadcast; got shapes {told}"
        ) from None


def row_lengths(distance_km: FloatArray) -> NDArray[np.int64]:
    """Count the points of each row before the NaN that pad its end."""
    told = ~np.isnan(distance_km)
    last = distance_km.shape[1] - told[:, ::-1].argmax(axis=1)
    return np.where(told.any(axis=1), last, 0).astype(np.int64)


def verticals(value: Any, codes: Mapping[int, str]) -> NDArray[np.bool_]:
    """Tell which polarisations are vertical.

    Parameters
    ----------
    value : str, int or array
        ``'horizontal'``, ``'vertical'``, their first letters, or `codes`.
    codes : mapping of int to str
        Numbers by which the model's own data files name the two.
    """
    given = np.asarray(value)
    out = np.empty(given.shape, dtype=bool)
    names = {"h": False, "horizontal": False, "v": True, "vertical": True}
    is_code = given.dtype.kind in "iuf"
    for kind in set(given.ravel().tolist()):
        word = codes.get(kind, "") if is_code else str(kind).casefold()
        if word not in names:
            raise ValueError(f"polarisation must be 'horizontal' or 'vertical'; got {kind!r}")
        out[given == kind] = names[word]
    return out
