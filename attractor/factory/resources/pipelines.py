"""The pipelines of a project: numbered versions, each with a copy of the graph and its files.

A version has the hash of the graph and of the files that the graph names, as runs have.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.json import Json, JsonObject, content_hash
from attractor.engine.run_folder.layout import read_stored_files, write_stored_files
from attractor.factory.errors import Retired
from attractor.factory.ledger.ledger import Ledger
from attractor.factory.project import ProjectIdentity
from attractor.factory.resources.versions import (
    ResourceKind,
    Version,
    VersionStore,
    split_reference,
)
from attractor.language.source.text import Source
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.files import VisibleFiles, find_place
from attractor.pipeline.source.read import (
    PipelineSource,
    context_of,
    pipeline_hash,
    pipeline_name,
    read_pipeline,
)

_GRAPH, _FILES = "graph.dot", "graph.files.json"


@dataclass(frozen=True)
class RegisteredPipeline:
    """The text of a registered pipeline, and the files that it names."""

    text: str
    files: Mapping[str, bytes]


class PipelineStore:
    """The pipelines of a project, with versions; projects share the copies."""

    def __init__(self, state: Path, project: ProjectIdentity, ledger: Ledger) -> None:
        self._copies = state / "pipelines"
        self.versions = VersionStore(ResourceKind.PIPELINE, state, project, ledger)

    def register(
        self, pipeline: PipelineSource, file: Path, *, by: str, now: datetime, renews: bool = True
    ) -> tuple[Version, bool]:
        """Return the version with this content, and whether it is new.

        A retired version becomes a new version, unless `renews` is false.
        """
        copy = self._copies / pipeline.content_hash
        if not (copy / _GRAPH).exists():
            make_private_folder(copy)
            if pipeline.files:
                write_stored_files(copy / _FILES, pipeline.files)
            # The graph last, so that a crash leaves no copy without files.
            write_whole(copy / _GRAPH, pipeline.text)
        hashes: dict[str, Json] = {
            name: content_hash(one) for name, one in sorted(pipeline.files.items())
        }
        data: JsonObject = {
            "file": str(file),
            "files": hashes,
            "diagnostics": [
                {
                    "severity": diagnostic.severity.value,
                    "rule": diagnostic.rule,
                    "line": diagnostic.span.line,
                    "message": diagnostic.message,
                }
                for diagnostic in pipeline.diagnostics
            ],
        }
        name = pipeline_name(pipeline.graph, file)
        return self.versions.add(name, pipeline.content_hash, data, by=by, now=now, renews=renews)

    def require_in_use(self, pipeline: PipelineSource, file: Path) -> None:
        """Refuse a new run of a retired pipeline."""
        name = pipeline_name(pipeline.graph, file)
        try:
            self.versions.require_content_in_use(name, pipeline.content_hash)
        except Retired as error:
            raise Retired(
                error.message, hint=f"to use it again: attractor pipeline register {file}"
            ) from error

    def other_versions(self, named: Sequence[str], name: str, content: str) -> Sequence[str]:
        """Return the versions of a pipeline that a suite names, unless one has this content."""
        wanted = [one for one in named if split_reference(one)[0] == name]
        # A name without a number is for all versions.
        is_judged = any(one == name or self.versions.find(one).content == content for one in wanted)
        return () if is_judged else wanted

    def read(self, version: Version) -> RegisteredPipeline:
        """Return the pipeline of a version, and verify its hash."""
        copy = self._copies / version.content
        text = read_regular(copy / _GRAPH) if (copy / _GRAPH).is_file() else b""
        files = read_stored_files(copy / _FILES)
        if pipeline_hash(text, files) != version.content:
            raise VerificationError(
                f"the copy of {version} in {copy} is missing or was changed",
                hint="restore it from a backup, or remove it and register the pipeline again",
            )
        return RegisteredPipeline(text.decode(), files)


def register_text(
    store: PipelineStore, project: Project, name: str, text: str, *, by: str
) -> tuple[Version, bool]:
    """Register a text as the file of the project with a name, which need not exist.

    Files that callers may not see cannot be named by the text.
    """
    place = find_place(project.root, name)
    files = VisibleFiles(place, project.root)
    source = Source(text, str(place))
    pipeline = read_pipeline(source, files=files, project=context_of(RunScope.of(project)))
    return store.register(pipeline, place, by=by, now=project.machine.clock.now())
