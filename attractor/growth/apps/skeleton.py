"""Writes the code of an app: the skeleton is generated, bodies are kept (rulings G7, G14)."""

from collections.abc import Mapping
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error, read_regular, remove_file
from attractor.base.json import Json, NotCanonical, canonical_json, content_hash, parse_json
from attractor.growth.apps.stack import FilePart, GeneratedFile, stacks
from attractor.growth.errors import InvalidApp
from attractor.growth.specification.files import write_file
from attractor.growth.specification.graph import SpecGraph

GENERATED = "app/generated.json"
"""Maps each file of an app to its nodes, hash and part."""

STACK = "python"

APP_FOLDERS = ("app", "spec", "tools")
"""The folders of a repository that an app needs; `tools` has copied skills and adapters."""


def generate(graph: SpecGraph) -> Mapping[str, GeneratedFile]:
    """Return the files of an app by path: the skeleton, and bodies to begin with."""
    return stacks()[STACK].generate(graph)


def generated_record(
    files: Mapping[str, GeneratedFile], hashes: Mapping[str, str] | None = None
) -> str:
    """Return the text of generated.json, one file a line (default: the hashes of the files)."""
    lines: list[str] = []
    for path, file in sorted(files.items()):
        hash_ = (hashes or {}).get(path) or content_hash(file.text.encode())
        nodes = list[Json](file.nodes)
        entry: dict[str, Json] = {"nodes": nodes, "hash": hash_, "part": file.part.value}
        lines.append(f" {canonical_json(path)}: {canonical_json(entry)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write_app(graph: SpecGraph, folder: Path) -> Mapping[str, GeneratedFile]:
    """Write the skeleton, missing bodies and generated.json; keep bodies; return all files.

    Files of nodes that the specification no longer contains are removed.
    """
    files = with_bodies(generate(graph), folder)
    for path in sorted(set(parse_generated(read_file(folder / GENERATED))) - set(files)):
        remove_file(folder / path)
    for path, file in files.items():
        write_file(folder / path, file.text.encode())
    write_file(folder / GENERATED, generated_record(files).encode())
    return files


def with_bodies(files: Mapping[str, GeneratedFile], folder: Path) -> Mapping[str, GeneratedFile]:
    """Return the files with the bodies that a folder contains."""
    kept: dict[str, GeneratedFile] = {}
    for path, file in files.items():
        content = read_file(folder / path) if file.part is FilePart.BODY else None
        if content is not None:
            try:
                text = content.decode()
            except UnicodeDecodeError as cause:
                raise InvalidApp(f"{path} is not UTF-8", hint="write the body again") from cause
            file = GeneratedFile(text, file.nodes, file.part)
        kept[path] = file
    return kept


@dataclass(frozen=True)
class RecordedFile:
    """A file in generated.json."""

    hash: str
    part: FilePart
    nodes: tuple[str, ...]


def parse_generated(content: bytes | None) -> Mapping[str, RecordedFile]:
    """Return the files in generated.json; none if it is missing or invalid."""
    try:
        record = parse_json(content) if content is not None else {}
    except NotCanonical:
        return {}
    if not isinstance(record, dict):
        return {}
    return {
        path: RecordedFile(
            str(entry.get("hash")),
            FilePart.BODY if entry.get("part") == FilePart.BODY else FilePart.SKELETON,
            tuple(map(str, nodes)) if isinstance(nodes := entry.get("nodes"), list) else (),
        )
        for path, entry in record.items()
        if isinstance(entry, dict) and path.startswith("app/") and ".." not in path.split("/")
    }


def read_file(file: Path) -> bytes | None:
    """Return the content of a file, or None if there is none."""
    try:
        return read_regular(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as cause:
        raise file_error("read", file, cause) from cause
