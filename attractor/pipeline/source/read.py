"""Reads the pipeline of a run, from the pipeline file or from the run directory."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.events import Event
from attractor.base.files import file_error, read_regular, write_whole
from attractor.base.journal import read_lines
from attractor.base.json import Json, canonical_json, content_hash, parse_json
from attractor.engine.run_folder.layout import (
    Manifest,
    RunDirectory,
    read_files,
    read_stored_files,
    write_stored_files,
)
from attractor.engine.storage.json_files import Fields
from attractor.engine.storage.secrets import Redactor
from attractor.handlers.registry import handler_registry
from attractor.language.declarations.inputs import declared_inputs, resolve_inputs, secrets_from
from attractor.language.diagnostics import (
    Diagnostic,
    ParseError,
    UnreadablePipeline,
    ValidationError,
)
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.validate import VITAL, Level, Levels
from attractor.language.preparation.prepare import (
    Files,
    FilesBelow,
    KnownFiles,
    Prepared,
    path_below,
    prepare,
)
from attractor.language.reading import Reading, decode, open_source, read_graph
from attractor.language.source.text import Source
from attractor.pipeline.project.custom_parts import NO_CUSTOM_PARTS, CustomParts
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.vocabulary import files_beside, known_names

Refuses = Callable[[Diagnostic], bool]


@dataclass(frozen=True)
class ProjectContext:
    """The context in which a project reads pipelines: names, rule levels, custom parts, secrets.

    Variables of the environment may contain secret inputs.
    """

    vocabulary: Vocabulary
    levels: Levels = field(default_factory=dict[str, Level])
    custom_parts: CustomParts = NO_CUSTOM_PARTS
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    redactor: Redactor = field(default_factory=Redactor)


@dataclass(frozen=True)
class PipelineSource:
    """A pipeline that can be run: text, imported files, hash of text and files, and graph."""

    text: str
    content_hash: str
    graph: Graph
    diagnostics: tuple[Diagnostic, ...]
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def secrets(self) -> Mapping[str, str]:
        """The inputs that are secret."""
        secret = {one.name for one in declared_inputs(self.graph) if one.is_secret}
        return {name: value for name, value in self.inputs.items() if name in secret}

    @property
    def shown(self) -> Mapping[str, str]:
        """The inputs that are not secret; prompts contain no other inputs."""
        secrets = self.secrets
        return {name: value for name, value in self.inputs.items() if name not in secrets}


def bare_project() -> ProjectContext:
    """Return the context for a pipeline outside of a project: only the node types are known."""
    return ProjectContext(Vocabulary(types=frozenset(handler_registry())))


_NO_TEXTS: Mapping[str, str] = {}

STDIN = "stdin.dot"
"""The name of a pipeline without a file, such as one on standard input."""


def open_pipeline(
    file: str,
    *,
    goal: str = "",
    inputs: Mapping[str, str] | None = None,
    project: ProjectContext | None = None,
) -> PipelineSource:
    """Read a pipeline from its file; `goal` overrides the goal in the graph."""
    opened = OpenedPipeline.of(file, project.custom_parts.texts if project else _NO_TEXTS)
    return opened.read(goal=goal, inputs=inputs, project=project)


@dataclass(frozen=True)
class OpenedPipeline:
    """The text of a pipeline, parsed once, and the files beside it."""

    source: Source
    files: Files
    reading: Reading

    @classmethod
    def of(cls, file: str, texts: Mapping[str, str] = _NO_TEXTS) -> "OpenedPipeline":
        """Open a pipeline file; `texts` replace files, by path."""
        files = GivenFiles(texts, Path(file).parent) if texts else files_beside(Path(file))
        source = Source(texts[file], file) if file in texts else open_source(file)
        return cls(source, files, read_graph(source))

    @property
    def name(self) -> str:
        """The name of the pipeline; of a text with syntax errors, the name of its file."""
        graph, file = self.reading.graph, Path(self.source.file)
        return pipeline_name(graph, file) if graph else file.stem

    def read(
        self, *, goal: str, inputs: Mapping[str, str] | None, project: ProjectContext | None
    ) -> PipelineSource:
        """Prepare the pipeline, or raise its errors."""
        return read_pipeline(
            self.source,
            goal=goal,
            files=self.files,
            inputs=inputs,
            project=project,
            reading=self.reading,
        )


class GivenFiles:
    """Files beside a pipeline: the passed texts by their paths, and other files from the disk."""

    def __init__(self, texts: Mapping[str, str], folder: Path) -> None:
        self._texts = texts
        self._folder = folder
        self._others = files_beside(folder / "<graph>")

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        text = self._texts.get(path_below(str(self._folder), name))
        return self._others.read(name) if text is None else text.encode()


def read_child(
    files: Files,
    name: str,
    file: Path,
    *,
    inputs: Mapping[str, str],
    project: ProjectContext,
) -> PipelineSource:
    """Read a child pipeline from the files of its parent; `file` is its path in the project."""
    name = path_below("", name)
    source = Source(decode(files.read(name), file=str(file)), str(file))
    beside = FilesBelow(files, posixpath.dirname(name))
    return read_pipeline(source, files=beside, inputs=inputs, project=project)


def read_pipeline(
    source: Source,
    *,
    goal: str = "",
    files: Files | None = None,
    inputs: Mapping[str, str] | None = None,
    project: ProjectContext | None = None,
    refuses: Refuses = lambda diagnostic: diagnostic.is_error,
    reading: Reading | None = None,
) -> PipelineSource:
    """Read a pipeline from its text, or raise its errors.

    Without inputs, `${inputs.NAME}` is not replaced.
    """
    project = project or bare_project()
    reading = reading or read_graph(source)
    prepared = prepare_source(source, goal, files, None, project, reading)
    graph = _require_sound(prepared, refuses)
    values: Mapping[str, str] = {}
    if inputs is not None:
        declared = declared_inputs(graph)
        values = resolve_inputs(declared, {**secrets_from(declared, project.environ), **inputs})
        if values or _names_inputs(source, prepared):
            prepared = prepare_source(source, goal, files, values, project, reading)
            graph = _require_sound(prepared, refuses)
    digest = pipeline_hash(source.text.encode(), prepared.files)
    return PipelineSource(source.text, digest, graph, prepared.diagnostics, prepared.files, values)


def pipeline_name(graph: Graph, file: Path) -> str:
    """Return the name of a pipeline: the name of its graph, or else of its file."""
    return graph.name or file.stem


def pipeline_hash(text: bytes, files: Mapping[str, bytes]) -> str:
    """Return the hash of a pipeline, over its text and other files."""
    own = content_hash(text)
    if not files:
        return own
    hashes: dict[str, Json] = {name: content_hash(one) for name, one in files.items()}
    return content_hash(canonical_json({"graph": own, "files": hashes}).encode())


def hash_now(file: Path, pipeline: PipelineSource) -> str:
    """Return the hash of the current content of a pipeline file."""
    source, files = open_source(file), files_beside(file)
    if source.text == pipeline.text and all(
        _holds(files, name, content) for name, content in pipeline.files.items()
    ):
        return pipeline.content_hash
    return hash_of_file(file)


def hash_of_file(file: Path) -> str:
    """Return the hash of a pipeline file, whether the pipeline has errors or not."""
    source = open_source(file)
    files = prepare(source.text, files=files_beside(file)).files
    return pipeline_hash(source.text.encode(), files)


def _holds(files: Files, name: str, content: bytes) -> bool:
    try:
        return files.read(name) == content
    except UnreadablePipeline:
        return False


def prepare_source(
    source: Source | Graph,
    goal: str,
    files: Files | None,
    inputs: Mapping[str, str] | None,
    project: ProjectContext,
    reading: Reading | None = None,
) -> Prepared:
    """Prepare a text or a graph in the context of a project; a text may be parsed already."""
    is_graph = isinstance(source, Graph)
    return prepare(
        source if is_graph else source.text,
        file=source.span.file if is_graph else source.file,
        files=files,
        inputs=inputs,
        goal=goal,
        transforms=project.custom_parts.transforms,
        vocabulary=project.vocabulary,
        extra_rules=project.custom_parts.rules,
        levels=project.levels,
        reading=reading,
    )


def _names_inputs(source: Source, prepared: Prepared) -> bool:
    """Return whether an unknown input in a prompt is an error."""
    texts = (source.text.encode(), *prepared.files.values())
    return any(b"${" in text for text in texts)


def _require_sound(prepared: Prepared, refuses: Refuses) -> Graph:
    if prepared.graph is None:
        raise ParseError(prepared.diagnostics)
    if any(refuses(one) for one in prepared.diagnostics):
        raise ValidationError(prepared.diagnostics)
    return prepared.graph


def context_of(scope: RunScope) -> ProjectContext:
    """Return the context in which a run reads pipelines."""
    project = scope.project
    names = known_names(project.root, environ=project.machine.environ)
    if scope.parts.handlers:
        names = replace(names, types={*(names.types or ()), *scope.parts.handlers})
    return ProjectContext(
        names, project.levels, scope.parts, project.machine.environ, scope.redactor
    )


GRAPH_ACCEPTED = "GraphAccepted"
"""The event that records an accepted change of the pipeline."""


@dataclass(frozen=True)
class AcceptedChange:
    """The last accepted change: the hashes of the old and the new pipeline."""

    old: str
    new: str


@dataclass(frozen=True)
class SavedPipeline:
    """A pipeline in a run directory: its text and its files."""

    text: bytes
    files: Mapping[str, bytes]

    @property
    def hash(self) -> str:
        """The content hash of the pipeline."""
        return pipeline_hash(self.text, self.files)


def find_accepted(directory: RunDirectory) -> AcceptedChange | None:
    """Return the last accepted change, or None if no change was accepted."""
    # Most runs have no accepted change; for them the journal is not read.
    if not any(directory.root.glob("graph.*.dot")) or not directory.events.exists():
        return None
    accepted = None
    for line in read_lines(directory.events):
        if GRAPH_ACCEPTED.encode() in line.content:
            record = parse_json(line.content)
            event = Event.from_record(record) if isinstance(record, dict) else None
            if event and event.type == GRAPH_ACCEPTED:
                data = Fields(event.data, GRAPH_ACCEPTED)
                accepted = AcceptedChange(data.text("old"), data.text("new"))
    return accepted


def save_pipeline(directory: RunDirectory, pipeline: PipelineSource) -> None:
    """Save a pipeline under its hash."""
    graph, files = _places(directory, pipeline.content_hash)
    write_stored_files(files, pipeline.files)
    write_whole(graph, pipeline.text)


def replace_pipeline(directory: RunDirectory, pipeline: PipelineSource) -> None:
    """Replace the pipeline of a run directory by another pipeline."""
    if directory.files.exists() or pipeline.files:
        write_stored_files(directory.files, pipeline.files)
    write_whole(directory.graph, pipeline.text)


def finish_interrupted_change(
    directory: RunDirectory, found: SavedPipeline, accepted: AcceptedChange
) -> SavedPipeline:
    """Return the accepted pipeline if a process died while it replaced the old pipeline.

    Otherwise return the pipeline that was read. Each file is either the old or the new file.
    """
    old, new = (_read(directory, one) for one in (accepted.old, accepted.new))
    if old is None or new is None or new.hash != accepted.new:
        return found
    is_between = found.text in (old.text, new.text) and found.files in (old.files, new.files)
    return new if is_between else found


def _read(directory: RunDirectory, digest: str) -> SavedPipeline | None:
    graph, files = _places(directory, digest)
    return SavedPipeline(read_regular(graph), read_stored_files(files)) if graph.is_file() else None


def _places(directory: RunDirectory, digest: str) -> tuple[Path, Path]:
    name = f"graph.{digest[:12]}"
    return directory.root / f"{name}.dot", directory.root / f"{name}.files.json"


_NO_VARIABLES: Mapping[str, str] = {}


def read_saved_pipeline(
    directory: RunDirectory,
    manifest: Manifest,
    *,
    goal: str,
    inputs: Mapping[str, str] | None,
    custom_parts: CustomParts = NO_CUSTOM_PARTS,
    environ: Mapping[str, str] = _NO_VARIABLES,
) -> PipelineSource:
    """Read the pipeline of a run from its run directory.

    This is the pipeline at the start of the run, or a pipeline that an operator accepted later. If
    any file of the pipeline was changed, raise an error. Without `inputs`, the inputs stay as they
    are written in the graph.
    """
    file = directory.graph
    try:
        content = read_regular(file)
    except OSError as cause:
        raise file_error("read", file, cause) from cause
    found = SavedPipeline(content, read_files(directory))
    accepted = find_accepted(directory)
    wanted = accepted.new if accepted else manifest.content_hash
    if accepted and found.hash != wanted:
        found = finish_interrupted_change(directory, found, accepted)
    if found.hash != wanted:
        raise VerificationError(
            f"{file} was changed after the start of the run",
            hint="restore it from a copy, or start a new run",
        )
    # Not checked again: the project may have changed the levels of its rules since the start.
    return read_pipeline(
        Source(decode(found.text, file=str(file)), str(file)),
        goal=goal,
        files=KnownFiles(found.files),
        inputs=inputs,
        project=replace(bare_project(), custom_parts=custom_parts, environ=environ),
        refuses=lambda one: one.is_error and one.rule in VITAL,
    )
