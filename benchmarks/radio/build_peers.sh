#!/bin/sh
# Builds the tools that benchmarks/radio/sweep.py runs beside ours, in the folder given ($1, default ./peers).
# Debian 12: apt-get install g++ make libgeographiclib-dev libtiff-dev splat git python3-venv
# SPLAT! (GPL-2) and pycraf (GPL-3) are only run, in processes of their own; nothing of them is used here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
peers=${1:-peers}
mkdir -p "$peers"
cd "$peers"

# crc-covlib (MIT): as shipped, g++ -O2, then the small driver beside this script
[ -d covlib ] || git clone https://github.com/ic-crc/crc-covlib covlib
(cd covlib && git checkout bc72be0e9e0a48248bb5eaa8d8d392028c6383ec -- src Makefile && make -s)
g++ -std=c++17 -O2 -Icovlib/src "$here/covlib_area.cpp" covlib/build/release/libcrc-covlib.a \
    covlib/src/crc-ml/libs/libcrcml.a -lGeographicLib -ltiff -lstdc++fs -o covlib_area

# Py1812 (ITU notice), itmlogic (MIT), pycraf (GPL-3): a venv of their own
[ -d venv ] || python3 -m venv venv
[ -d Py1812 ] || git clone https://github.com/eeveetza/Py1812 Py1812
(cd Py1812 && git checkout a5205e6a65db27391a8ba79bd5a365e5391f9fdf -- src)
venv/bin/pip install -q numpy scipy itmlogic pycraf
# The ITU maps that Py1812 wants may not be passed on; refractivity is given by hand, so constants do.
venv/bin/python -c "import numpy as n; n.savez('Py1812/src/Py1812/P1812.npz', DN50=n.full((121, 241), 45.0), N050=n.full((121, 241), 325.0))"

# SPLAT!'s own form of the tile: in FOLDER/dem, written by sweep.py, run srtm2sdf and srtm2sdf-hd (sweep.py does)
command -v splat splat-hd srtm2sdf-hd
