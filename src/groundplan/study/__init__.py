"""What is asked: the study, its targets, its money."""

from __future__ import annotations

from groundplan.study.model import Assumption, Budget, CostLine, SectorChoice, Study, Target
from groundplan.study.money import Programme, price_programme
from groundplan.study.reading import (
    read_example,
    read_study,
    sound_systems,
    with_lines,
    with_terrain,
    write_study_template,
)
from groundplan.study.schema import reference_page, study_schema

__all__ = [
    "Assumption",
    "Budget",
    "CostLine",
    "Programme",
    "SectorChoice",
    "Study",
    "Target",
    "price_programme",
    "read_example",
    "read_study",
    "reference_page",
    "sound_systems",
    "study_schema",
    "with_lines",
    "with_terrain",
    "write_study_template",
]
