"""How many files or clips were accepted and turned down, with the reason of each kind."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msdae.errors import UserError, printable


@dataclass
class Tally:
    """Counts by kind. Rejected files are faulty; left-out ones are fine but not wanted (drums, silence).

    Attributes:
        strict: whether the first rejection raises its UserError.
        total: files or clips that were looked at. accepted: how many of them are used.
        rejected, left_out: how many are not, by reason.
        examples: the first message of each reason for a rejection.
    """

    strict: bool = False
    total: int = 0
    accepted: int = 0
    rejected: Counter = field(default_factory=Counter)
    left_out: Counter = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def reject(self, path: Path, error: UserError) -> None:
        """Count a faulty file by the reason in its error, whose message is "PATH: reason (detail); fix"."""
        if self.strict:
            raise error
        reason = printable(error).removeprefix(f"{printable(path)}: ").split(";")[0].split(" (")[0]
        self.rejected[reason] += 1
        self.examples.setdefault(reason, str(error))

    def leave_out(self, reason: str) -> None:
        """Count a file or clip that is fine but not wanted."""
        self.left_out[reason] += 1

    def merge(self, counts: dict[str, Any]) -> None:
        """Add the `counts()` of another tally."""
        self.total += counts["total"]
        self.accepted += counts["accepted"]
        self.rejected.update(counts["rejected"])
        self.left_out.update(counts["left_out"])
        self.examples = {**counts["examples"], **self.examples}

    def counts(self) -> dict[str, Any]:
        """The counts as a dictionary that JSON can hold."""
        return {
            "total": self.total,
            "accepted": self.accepted,
            "rejected": dict(self.rejected),
            "left_out": dict(self.left_out),
            "examples": self.examples,
        }

    def lines(self, unit: str) -> list[str]:
        """One line for each kind, for the terminal."""
        lines = [f"{self.total} {unit} found, {self.accepted} accepted"]
        for reason, count in sorted(self.rejected.items()):
            lines.append(f"  {count} rejected: {reason} (first: {self.examples[reason]})")
        for reason, count in sorted(self.left_out.items()):
            lines.append(f"  {count} left out: {reason}")
        return lines
