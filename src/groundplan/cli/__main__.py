"""``python -m groundplan.cli``: the command line without an installed script."""

from __future__ import annotations

from groundplan.cli.main import main

main(prog_name="groundplan")
