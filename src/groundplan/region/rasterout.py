"""Rasters out: GeoTIFF and COG that QGIS and GDAL open, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import UsageError
from groundplan.quantity import unit_of
from groundplan.region.hgt import ORIGIN_TAG

if TYPE_CHECKING:
    from groundplan.region.frame import Frame

__all__ = ["ORIGINS", "write_raster"]

#: Where values come from, as every raster of ours says.
ORIGINS = ("measured", "modelled", "synthetic")
#: Stands for "no value": NaN in reals, the least whole number in others, unless named.
NODATA = {"float32": np.nan, "float64": np.nan, "int16": -32768, "int32": -(2**31), "uint16": 65535,
          "uint8": 255}  # fmt: skip
BLOCK = 512
#: Rows handed to the file at once.
ROWS_AT_ONCE = 1024


def write_raster(
    path: str | Path, bands: Mapping[str, NDArray[Any]], frame: Frame, *, origin: str,
    units: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None,
    nodata: float | None = None, is_cog: bool = True,
) -> Path:  # fmt: skip
    """Write arrays as the bands of a GeoTIFF: tiled, compressed, described.

    Parameters
    ----------
    path : path
        Ends in ``.tif`` or ``.tiff``.
    bands : mapping of str to (n_row, n_col) array
        Band description -> values, all of one type: float32, float64, int16, int32, uint16, uint8.
    frame : Frame
        The cells, with their system.
    origin : str
        ``measured``, ``modelled`` or ``synthetic``; written as the tag ``GROUNDPLAN_ORIGIN``.
    units : mapping of str to str, optional
        Band -> unit; by default what the suffix of the band's name says.
    tags : mapping of str to str, optional
        Further tags: model, version, sources ...
    nodata : float, optional
        By default NaN, or -32768, -2147483648, 65535, 255 by type.
    is_cog : bool
        A cloud-optimised GeoTIFF with overviews; else a plain tiled one.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        Bands of several types or of another shape than the frame.
    """
    import rasterio
    from rasterio.shutil import copy
    from rasterio.transform import Affine
    from rasterio.windows import Window

    path = Path(path)
    arrays = {name: np.asarray(values) for name, values in bands.items()}
    dtypes = sorted({str(v.dtype) for v in arrays.values()})
    if origin not in ORIGINS:
        raise UsageError(f"origin must be one of {', '.join(ORIGINS)}. Got {origin!r}.")
    if path.suffix.lower() not in {".tif", ".tiff"}:
        raise UsageError(f"a raster is written as .tif. Got {path.name}.")
    if len(dtypes) != 1 or dtypes[0] not in NODATA:
        raise UsageError(
            f"all bands of a raster must have one type of {', '.join(NODATA)}. "
            f"Got {', '.join(dtypes) or 'no band'}: write a file for each type."
        )
    for name, values in arrays.items():
        if values.shape != frame.shape:
            raise UsageError(f"band {name} must have shape {frame.shape}. Got {values.shape}.")
    dtype = dtypes[0]
    settings = {
        "driver": "GTiff", "width": frame.n_col, "height": frame.n_row, "count": len(arrays),
        "dtype": dtype, "crs": frame.crs, "transform": Affine(*frame.transform),
        "nodata": NODATA[dtype] if nodata is None else nodata, "tiled": True, "blockxsize": BLOCK,
        "blockysize": BLOCK, "bigtiff": "if_safer",
    }  # fmt: skip
    if not is_cog:
        # else it is only read again at once, and compressed then
        settings |= {"compress": "deflate", "predictor": 3 if dtype.startswith("float") else 2}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tif")
    final = path.with_name(f".{path.name}.{os.getpid()}.cog.tif") if is_cog else aside
    try:
        with rasterio.Env(GDAL_CACHEMAX=128):
            with rasterio.open(aside, "w", **settings) as file:
                file.update_tags(**{ORIGIN_TAG: origin, "AREA_OR_POINT": "Area", **(tags or {})})
                for number, (name, values) in enumerate(arrays.items(), start=1):
                    file.set_band_description(number, name)
                    file.set_band_unit(number, (units or {}).get(name) or unit_of(name) or "")
                    for row in range(0, frame.n_row, ROWS_AT_ONCE):
                        part = values[row : row + ROWS_AT_ONCE]
                        window = Window(0, row, frame.n_col, part.shape[0])
                        file.write(part, number, window=window)
            if is_cog:
                copy(
                    aside, final, driver="COG", compress="deflate", predictor="yes",
                    blocksize=BLOCK, bigtiff="if_safer",
                    overview_resampling="average" if dtype.startswith("float") else "nearest",
                )  # fmt: skip
        final.replace(path)
    finally:
        for left in {aside, final}:
            left.unlink(missing_ok=True)
    return path
