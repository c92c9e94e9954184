from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from attractor.config.reference import SettingReference, list_settings
from attractor.config.settings import Settings


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"


class Entry(BaseModel):
    """A thing in a list."""

    name: str = Field(description="What it is called.")


def make_words() -> list[str]:
    """The words the machine knows."""
    return ["a machine's own word"]


class Model(BaseModel):
    """One field of every kind."""

    flag: bool = True
    size: int = Field(default=3, ge=0, le=9)
    share: float = Field(default=0.5, gt=0, lt=1)
    word: str = "x"
    folder: Path = Path("here")
    choice: Literal["a", "b", "c"] = "a"
    only: Literal["a"] = "a"
    side: Side = Side.LEFT
    sides: list[Side] = [Side.LEFT]
    folders: tuple[Path, ...] = ()
    entries: list[Entry] = []
    maybe: int | None = None
    either: int | str = 1
    anything: Any = None
    computed: list[str] = Field(default_factory=make_words)
    made: list[str] = Field(default_factory=list)
    must: str
    named: dict[str, Entry] = {}


KINDS = {
    "flag": "true or false",
    "size": "whole number, at least 0, at most 9",
    "share": "number, more than 0, less than 1",
    "word": "text",
    "folder": "path",
    "choice": "a, b or c",
    "only": "a",
    "side": "left or right",
    "sides": "list of left or right",
    "folders": "list of path",
    "entries": "list of table",
    "maybe": "whole number",
    "either": "whole number or text",
    "anything": "anything",
    "named.NAME.name": "text",
}
DEFAULTS = {
    "flag": "true",
    "size": "3",
    "word": "'x'",
    "folder": "'here'",
    "side": "'left'",
    "made": "[]",
    "computed": "The words the machine knows",
    "maybe": "none",
    "must": "none",
    "named.NAME.name": "none",
}
REFERENCES = {reference.key: reference for reference in list_settings(Model)}


@pytest.mark.parametrize(("key", "words"), KINDS.items())
def test_kinds_are_described(key: str, words: str):
    assert REFERENCES[key].kind == words


@pytest.mark.parametrize(("key", "words"), DEFAULTS.items())
def test_defaults_are_written_as_in_toml_and_computed_ones_are_described(key: str, words: str):
    assert REFERENCES[key].default == words


def test_every_setting_is_listed_in_the_order_of_the_model():
    fields = [key.partition(".")[0] for key in REFERENCES]
    assert fields == list(Model.model_fields)


def test_the_default_of_a_section_is_that_of_its_field():
    class Section(BaseModel):
        color: str = "auto"

    class Outer(BaseModel):
        section: Section = Section(color="never")

    assert list_settings(Outer)[0].default == "'never'"


def test_a_setting_is_named_as_people_set_it():
    [color] = [one for one in list_settings(Settings) if one.key == "output.color"]
    assert color == SettingReference(
        key="output.color",
        kind="auto, always or never",
        default="'auto'",
        variable="ATTRACTOR_OUTPUT__COLOR",
        description=color.description,
    )
    assert REFERENCES["named.NAME.name"].variable == "ATTRACTOR_NAMED__NAME__NAME"
    assert REFERENCES["named.NAME.name"].description == "What it is called."


def test_documentation_contains_no_local_path():
    assert str(Path.home()) not in str(list_settings(Settings))
