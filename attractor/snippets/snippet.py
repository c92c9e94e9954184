"""The request to execute a snippet, and the answer, as in JSON."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictFloat,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

DEFAULT_S = 10
LONGEST_S = 300
"""The default and the upper bound of the time limit, in seconds."""

_LONGEST_WORD = 25_000
"""In characters: the kernel refuses arguments and variables of 128 KiB."""

_MOST_WORDS = 1000
_LONGEST_NAME = 255


class Language(StrEnum):
    """A language of snippets."""

    PYTHON = "python"
    TYPESCRIPT = "typescript"
    JAVASCRIPT = "javascript"


FILE_NAMES = {
    Language.PYTHON: "snippet.py",
    Language.TYPESCRIPT: "snippet.ts",
    Language.JAVASCRIPT: "snippet.js",
}
"""The file of the code in the working folder."""


def _inner_path(path: str) -> str:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r} is not a path below the working folder, such as data/in.json")
    if any(len(part.encode()) > _LONGEST_NAME for part in parts):
        raise ValueError("a name is too long")
    return path


# A pattern also refuses half of a surrogate pair, which no file can contain.
_Text = Annotated[str, StringConstraints(pattern=r"^[\s\S]*$")]
_Word = Annotated[str, StringConstraints(max_length=_LONGEST_WORD, pattern=r"^[^\x00]*$")]
_Variable = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_Path = Annotated[
    str, StringConstraints(max_length=500, pattern=r"^[^\x00]+$"), AfterValidator(_inner_path)
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class InputFile(_Request):
    """A file in the working folder of a snippet."""

    path: _Path = Field(description="A relative path without `..`.", examples=["data/input.json"])
    content: _Text


class NetworkAccess(_Request):
    """The network of a snippet."""

    block_all: bool = Field(
        default=True,
        strict=True,
        alias="blockAll",
        description="Close the network; false opens it.",
    )


class Snippet(_Request):
    """Code or a command to execute; either `code` or `command` is required."""

    model_config = ConfigDict(
        # In `allOf`, because generators of clients drop the fields beside a choice.
        json_schema_extra={
            "allOf": [
                {
                    "oneOf": [
                        {"required": [name], "properties": {name: {"type": "string"}}}
                        for name in ("code", "command")
                    ]
                }
            ]
        }
    )

    language: Language = Field(default=Language.PYTHON, description="The language of `code`.")
    code: _Text | None = None
    command: _Text | None = Field(default=None, description="A command for `sh -c`.")
    argv: list[_Word] = Field(
        default_factory=list[str], max_length=_MOST_WORDS, description="The arguments."
    )
    env: dict[_Variable, _Word] = Field(
        default_factory=dict[str, str],
        max_length=_MOST_WORDS,
        json_schema_extra={"additionalProperties": False},
        description="Environment variables.",
    )
    timeout: StrictFloat = Field(
        default=DEFAULT_S, gt=0, le=LONGEST_S, description="The time limit in seconds."
    )
    files: list[InputFile] = Field(default_factory=list[InputFile], max_length=_MOST_WORDS)
    network: NetworkAccess = Field(default_factory=NetworkAccess)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.code is None) == (self.command is None):
            raise ValueError("give either code or command")
        taken = set[str]() if self.code is None else {FILE_NAMES[self.language]}
        for file in self.files:
            if file.path in taken:
                raise ValueError(f"duplicate file {file.path!r}")
            taken.add(file.path)
        for path in taken:
            above = path.rpartition("/")[0]
            while above:
                if above in taken:
                    raise ValueError(f"{above!r} is a file and a folder")
                above = above.rpartition("/")[0]
        return self


class ChartType(StrEnum):
    """A kind of chart."""

    LINE = "line"
    SCATTER = "scatter"
    BAR = "bar"
    PIE = "pie"
    BOX_AND_WHISKER = "box_and_whisker"
    COMPOSITE = "composite_chart"
    UNKNOWN = "unknown"


class Chart(BaseModel):
    """A figure of matplotlib; with one pair of axes, also their labels, ticks and scales."""

    model_config = ConfigDict(extra="allow")

    type: ChartType
    title: str
    elements: list[dict[str, JsonValue]] = Field(
        description="The series, bars, wedges or boxes; the charts of a composite chart."
    )
    png: str = Field(description="The drawing in base64.")


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    def to_record(self) -> dict[str, Any]:
        """Return the JSON value."""
        return self.model_dump(mode="json", by_alias=True)


class Artifacts(_Answer):
    """The results of a snippet."""

    stdout: str
    charts: list[Chart]


class Execution(_Answer):
    """The execution of a snippet."""

    ok: bool = Field(description="Whether the exit code is 0.")
    exit_code: int = Field(
        description="124 after the time limit, and 128 plus its number after a signal."
    )
    stdout: str
    artifacts: Artifacts


class ExtendedExecution(Execution):
    """The execution of a snippet with further results."""

    stderr: str
    timed_out: bool
    truncated: bool = Field(description="Whether output or charts were too long, and were cut.")

    def short(self) -> Execution:
        """Return the execution without the further results."""
        return Execution.model_validate({one: getattr(self, one) for one in Execution.model_fields})
