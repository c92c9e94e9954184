"""Reads a pipeline to run: its text, the files it names, their hash, a graph without errors."""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, canonical_json, content_hash
from attractor.engine.storage.secrets import Redactor
from attractor.handlers.registry import handler_registry
from attractor.language.declarations.inputs import declared_inputs, resolve_inputs, secrets_from
from attractor.language.diagnostics import Diagnostic
from attractor.language.errors import ParseError, UnreadablePipeline, ValidationError
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.validate import Level, Levels
from attractor.language.preparation.prepare import Prepared, prepare
from attractor.language.preparation.transform import Files
from attractor.language.reading import open_source
from attractor.language.source.text import Source
from attractor.pipeline.host.custom_parts import NO_CUSTOM_PARTS, CustomParts
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.source.vocabulary import files_beside, known_names

Refuses = Callable[[Diagnostic], bool]


@dataclass(frozen=True)
class ProjectContext:
    """The names, rule levels, custom parts and secrets with which a project reads its pipelines.

    Variables of the environment may contain secret inputs.
    """

    vocabulary: Vocabulary
    levels: Levels = field(default_factory=dict[str, Level])
    custom_parts: CustomParts = NO_CUSTOM_PARTS
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    redactor: Redactor = field(default_factory=Redactor)


@dataclass(frozen=True)
class PipelineSource:
    """A pipeline that can run: its text, its files, their hash, and its graph."""

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
        """The inputs that are not secret: only these reach prompts."""
        secrets = self.secrets
        return {name: value for name, value in self.inputs.items() if name not in secrets}


def bare_project() -> ProjectContext:
    """Return the context without a project: the node types only."""
    return ProjectContext(Vocabulary(types=frozenset(handler_registry())))


def open_pipeline(
    file: str,
    *,
    goal: str = "",
    inputs: Mapping[str, str] | None = None,
    project: ProjectContext | None = None,
) -> PipelineSource:
    """Read a pipeline from its file; a `goal` overrides the one of the graph."""
    files = files_beside(Path(file))
    custom_parts = project.custom_parts.texts.get(file) if project else None
    source = open_source(file) if custom_parts is None else Source(custom_parts, file)
    return read_pipeline(source, goal=goal, files=files, inputs=inputs, project=project)


def read_pipeline(
    source: Source,
    *,
    goal: str = "",
    files: Files | None = None,
    inputs: Mapping[str, str] | None = None,
    project: ProjectContext | None = None,
    refuses: Refuses = lambda diagnostic: diagnostic.is_error,
) -> PipelineSource:
    """Read a pipeline from its text, or raise its errors.

    Without inputs, `${inputs.NAME}` is not replaced.
    """
    project = project or bare_project()
    prepared = _prepared(source, goal, files, None, project)
    graph = _require_sound(prepared, refuses)
    given: Mapping[str, str] = {}
    if inputs is not None:
        declared = declared_inputs(graph)
        given = resolve_inputs(declared, {**secrets_from(declared, project.environ), **inputs})
        if given or _names_inputs(source, prepared):
            prepared = _prepared(source, goal, files, given, project)
            graph = _require_sound(prepared, refuses)
    digest = pipeline_hash(source.text.encode(), prepared.files)
    return PipelineSource(source.text, digest, graph, prepared.diagnostics, prepared.files, given)


def pipeline_hash(text: bytes, files: Mapping[str, bytes]) -> str:
    """Return the hash of a pipeline: of its text and its files."""
    own = content_hash(text)
    if not files:
        return own
    hashes: dict[str, Json] = {name: content_hash(one) for name, one in files.items()}
    return content_hash(canonical_json({"graph": own, "files": hashes}).encode())


def hash_now(file: Path, pipeline: PipelineSource) -> str:
    """Return the hash of a pipeline as its file is now."""
    source, files = open_source(file), files_beside(file)
    if source.text == pipeline.text and all(
        _holds(files, name, content) for name, content in pipeline.files.items()
    ):
        return pipeline.content_hash
    return hash_of_file(file)


def hash_of_file(file: Path) -> str:
    """Return the hash of a pipeline file, with or without errors."""
    source = open_source(file)
    files = prepare(source.text, files=files_beside(file)).files
    return pipeline_hash(source.text.encode(), files)


def _holds(files: Files, name: str, content: bytes) -> bool:
    try:
        return files.read(name) == content
    except UnreadablePipeline:
        return False


def _prepared(
    source: Source,
    goal: str,
    files: Files | None,
    inputs: Mapping[str, str] | None,
    project: ProjectContext,
) -> Prepared:
    return prepare(
        source.text,
        file=source.file,
        files=files,
        inputs=inputs,
        goal=goal,
        transforms=project.custom_parts.transforms,
        vocabulary=project.vocabulary,
        extra_rules=project.custom_parts.rules,
        levels=project.levels,
    )


def _names_inputs(source: Source, prepared: Prepared) -> bool:
    """Return whether a prompt may name an input: an unknown one is an error."""
    texts = (source.text.encode(), *prepared.files.values())
    return any(b"${" in text for text in texts)


def _require_sound(prepared: Prepared, refuses: Refuses) -> Graph:
    if prepared.graph is None:
        raise ParseError(prepared.diagnostics)
    if any(refuses(one) for one in prepared.diagnostics):
        raise ValidationError(prepared.diagnostics)
    return prepared.graph


def project_of(host: RunHost) -> ProjectContext:
    """Return the context of the project of a host."""
    names = known_names(host.project, environ=host.environ)
    if host.custom_parts.handlers:
        names = replace(names, types={*(names.types or ()), *host.custom_parts.handlers})
    return ProjectContext(names, host.levels, host.custom_parts, host.environ, host.redactor)
