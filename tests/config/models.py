"""Settings with every kind of field that a room may need, nested deeper than the real ones."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from attractor.config.tables import StrictTable as Section


class Tone(StrEnum):
    PLAIN = "plain"
    LOUD = "loud"


class Hook(Section):
    command: str
    folder: Path = Path()
    mounts: dict[str, Path] = {}
    on: tuple[Literal["start", "end"], ...] = ("end",)


class Limits(Section):
    low: int = 0
    high: int = 10

    @model_validator(mode="after")
    def _low_is_low(self) -> "Limits":
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Inner(Section):
    size: int = Field(default=1, ge=1)
    limits: Limits = Limits()


class Outer(Section):
    inner: Inner = Inner()
    tone: Tone = Tone.PLAIN


class Profile(Section):
    model: str
    effort: Literal["low", "high"] = "low"


class Everything(Section):
    switch: bool = False
    share: float = 0.5
    note: str = ""
    wait: timedelta = timedelta(seconds=1)
    count: int | None = None
    either: int | list[int] = 0
    folder: Path = Path("here")
    folders: list[Path] = []
    mounts: dict[str, Path] = {}
    words: list[str] = ["default"]
    outer: Outer = Outer()
    aliases: dict[str, str] = {}
    profiles: dict[str, Profile] = {}
    ports: dict[int, str] = {1: "one"}
    hooks: list[Hook] = []
    one_hook: Hook | None = None
    mixed: Hook | int = 0

    @field_validator("note")
    @classmethod
    def _note_is_polite(cls, note: str) -> str:
        if "!" in note:
            raise ValueError("do not\nshout")
        return note
