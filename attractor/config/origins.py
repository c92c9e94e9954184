"""Says where a value came from."""

from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.toml import printable


class OriginKind(StrEnum):
    """The five layers a value can come from, the later over the earlier."""

    DEFAULT = "default"
    USER = "user"
    PROJECT = "project"
    VARIABLE = "variable"
    FLAG = "flag"


@dataclass(frozen=True)
class Origin:
    """Where a value came from: its layer, and the file and line, the variable or the flag."""

    kind: OriginKind
    place: str = ""
    line: int | None = None
    column: int | None = None

    def describe(self) -> str:
        """Write it in one line: `attractor.toml:3`, `ATTRACTOR_STATE_DIR`, `default`."""
        if self.kind is OriginKind.DEFAULT:
            return "default"
        if self.kind is OriginKind.FLAG:
            return f"--config {printable(self.place)}"
        position = "".join(f":{one}" for one in (self.line, self.column) if one is not None)
        return printable(self.place) + position


DEFAULT = Origin(OriginKind.DEFAULT)
