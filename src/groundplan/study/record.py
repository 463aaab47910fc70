"""What every table of a study is made of: a frozen record whose rules between keys are checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

__all__ = ["FileName", "Record", "Rule", "Text", "has"]

Text = Annotated[str, Field(min_length=1)]
#: A file or folder as the user writes it; TOML has no type of its own for one.
FileName = Annotated[Path, Field(strict=False)]
#: A rule that a table breaks: key, value found, what was expected, what to do.
Rule = tuple[str, object, str, str]


class Record(BaseModel):
    """A frozen table of the study: unknown keys are errors, and no value is converted.

    Text is never taken for a number, a number never for text, true never for 1, 3.0 never for a
    whole number. A whole number is a number, so 3 may stand for 3.0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def record(self) -> dict[str, Any]:
        """Return the table as plain data."""
        return self.model_dump(mode="json")

    @classmethod
    def rules(cls, values: Mapping[str, Any]) -> Iterator[Rule]:
        """Yield every rule between keys that `values` break.

        Parameters
        ----------
        values : mapping
            The keys that are sound by themselves, defaults filled in; a key that is not sound is
            absent, and a rule that needs it is passed over.
        """
        del values
        yield from ()

    @model_validator(mode="after")
    def keep_rules(self) -> Record:
        """Refuse a table that breaks its own rules."""
        broken = [f"{key}: expected {expected}" for key, _, expected, _ in self.rules(vars(self))]
        if broken:
            raise PydanticCustomError("rule", "{text}", {"text": "; ".join(broken)})
        return self


def has(values: Mapping[str, Any], *names: str) -> bool:
    """Return whether all these keys are sound and hold something."""
    return all(values.get(name) is not None for name in names)
