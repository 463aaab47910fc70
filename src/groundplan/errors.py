"""Everything groundplan raises on purpose, and the exit code each becomes on the command line.

::

    GroundplanError
    +-- UsageError            the call itself is wrong                            exit 2
    +-- DataError             input does not say what it must; carries findings   exit 3
    |   +-- UnitError         a quantity in the wrong unit or kind
    |   +-- CrsError          a position in the wrong or an unknown system
    |   +-- SourceError       a value without a source, date or licence
    |   +-- MissingExtraError a reader needs a package that is not installed
    +-- InfeasibleError       no plan exists: which constraints conflict          exit 1
    +-- TargetMissedError     a plan exists and misses what was asked             exit 1
    +-- VerificationError     a plan or certificate does not prove what it says   exit 1
    +-- StoppedError          ended early on request; what was written is valid   exit 4
    +-- WorkerLostError       a process that held a part of the work is gone      exit 1

All findings of a file are gathered first and reported once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

__all__ = [
    "CrsError",
    "DataError",
    "Finding",
    "Findings",
    "GroundplanError",
    "InfeasibleError",
    "MissingExtraError",
    "SourceError",
    "StoppedError",
    "TargetMissedError",
    "UnitError",
    "UsageError",
    "VerificationError",
    "WorkerLostError",
]


@dataclass(frozen=True, order=True)
class Finding:
    """One thing wrong in an input, told so that its owner can mend it.

    Attributes
    ----------
    file : str
        File as the user named it.
    row : int
        1-based line or record in the file, the header being row 1; 0 where the file has no rows.
    column : str
        Column, key path (``targets[3].due_on``) or band.
    got : str
        The value found, as text.
    expected : str
        What would have been accepted, with unit and bounds.
    hint : str
        What to do, in the imperative.
    """

    file: str
    row: int = 0
    column: str = ""
    got: str = ""
    expected: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = self.file
        # a study has lines and keys, a table rows and columns
        is_study = self.file.endswith(".toml")
        if self.row:
            where += f" {'line' if is_study else 'row'} {self.row}"
        if self.column:
            where += f" {'column' if self.row and not is_study else 'key'} {self.column}"
        text = f"{where}: "
        if self.got:
            text += f"got {self.got}, "
        text += f"expected {self.expected}"
        if self.hint:
            text += f"; {self.hint}"
        return text


class GroundplanError(Exception):
    """Base of every error that groundplan raises on purpose."""

    exit_code = 1

    def as_dict(self) -> dict[str, object]:
        """Return the error as plain data for ``--json``."""
        return {"error": type(self).__name__, "message": str(self), "exit_code": self.exit_code}


class UsageError(GroundplanError):
    """The call itself is wrong: an unknown option, an absent file, a bad combination."""

    exit_code = 2


class DataError(GroundplanError):
    """Input that does not say what it must; `findings` lists every fault found."""

    exit_code = 3

    def __init__(self, findings: Finding | Iterable[Finding], summary: str = "") -> None:
        found = [findings] if isinstance(findings, Finding) else list(findings)
        self.findings: tuple[Finding, ...] = tuple(sorted(found))
        self.summary = summary
        super().__init__(summary)

    def __str__(self) -> str:
        n = len(self.findings)
        if n == 1 and not self.summary:
            return str(self.findings[0])
        head = self.summary or f"{n} problems in the input"
        return "\n".join([f"{head}:", *(f"  - {finding}" for finding in self.findings)])

    def as_dict(self) -> dict[str, object]:
        """Return the error with its findings as plain data."""
        return {**super().as_dict(), "findings": [asdict(f) for f in self.findings]}


class UnitError(DataError):
    """A quantity in the wrong unit or of the wrong kind."""


class CrsError(DataError):
    """A position in the wrong or in an unknown reference system."""


class SourceError(DataError):
    """A value without a source, a date or a licence."""


class MissingExtraError(DataError):
    """A reader needs a package that is not installed."""


class InfeasibleError(GroundplanError):
    """No plan exists under the constraints named.

    Attributes
    ----------
    constraints : tuple of str
        The constraints that conflict, in words.
    least_budget_cny : int or None
        Smallest budget that would do, where it is known.
    """

    def __init__(
        self, message: str, constraints: Sequence[str] = (), least_budget_cny: int | None = None
    ) -> None:
        self.constraints = tuple(constraints)
        self.least_budget_cny = least_budget_cny
        super().__init__(message)

    def __str__(self) -> str:
        lines = [super().__str__(), *(f"  - {c}" for c in self.constraints)]
        if self.least_budget_cny is not None:
            lines.append(f"  smallest budget that would do: {self.least_budget_cny:,} CNY")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """Return the error with its conflicting constraints as plain data."""
        return {
            **super().as_dict(),
            "constraints": list(self.constraints),
            "least_budget_cny": self.least_budget_cny,
        }


class TargetMissedError(GroundplanError):
    """A plan exists and misses what was asked."""


class VerificationError(GroundplanError):
    """A plan or a certificate does not prove what it says.

    Attributes
    ----------
    differences : tuple of str
        What differs, one sentence each.
    """

    def __init__(self, differences: str | Iterable[str]) -> None:
        self.differences = (differences,) if isinstance(differences, str) else tuple(differences)
        super().__init__("verification failed")

    def __str__(self) -> str:
        return "\n".join(["verification failed:", *(f"  - {d}" for d in self.differences)])

    def as_dict(self) -> dict[str, object]:
        """Return the error with the differences found as plain data."""
        return {**super().as_dict(), "differences": list(self.differences)}


class StoppedError(GroundplanError):
    """Ended early on request; what has been written is valid."""

    exit_code = 4


class WorkerLostError(GroundplanError):
    """A process that held a part of the work is gone."""


class Findings:
    """Gathers findings, then raises them together.

    Examples
    --------
    >>> found = Findings("chargers.csv")
    >>> found.add(118, "power_kw", 3.5, ">= 7 kW", "is the column in another unit?")
    >>> found.raise_if_any()
    Traceback (most recent call last):
    ...
    groundplan.errors.DataError: chargers.csv row 118 column power_kw: got 3.5, expected >= 7 kW; \
is the column in another unit?
    """

    def __init__(self, file: object) -> None:
        self.file = str(file)
        self.items: list[Finding] = []

    def add(
        self, row: int, column: str, got: object, expected: str, hint: str = "", file: str = ""
    ) -> None:
        """Note one fault; `row` 0 where the file has no rows."""
        shown = "" if got is None else str(got)
        self.items.append(Finding(file or self.file, int(row), column, shown, expected, hint))

    def __len__(self) -> int:
        return len(self.items)

    def raise_if_any(self, kind: type[DataError] = DataError, summary: str = "") -> None:
        """Raise one error with all findings, if there are any."""
        if self.items:
            raise kind(self.items, summary)
