"""What is asked: the study, its targets, its money."""

from __future__ import annotations

from groundplan.study.model import Assumption, Budget, CostLine, SectorChoice, Study, Target
from groundplan.study.money import Programme, price_programme
from groundplan.study.reading import read_example, read_study, study_schema, write_study_template

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
    "study_schema",
    "write_study_template",
]
