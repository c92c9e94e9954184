"""What a run writes down about its workspace, so that another process can open it again."""

from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.files import file_trouble, write_whole
from attractor.base.json import canonical_json, parse_json
from attractor.engine.interfaces import Base, TreeId
from attractor.workspaces.errors import RecordBroken

_FORMAT = 1
RECORD_FILE = "workspace.json"


@dataclass(frozen=True)
class Record:
    """Where a workspace lies and what it was made from.

    What is left out of the project's tree, and what is ignored besides what the tree says, stands
    in the words of a `.gitignore`. `materials` is a tree of what is laid beside its files, or in
    the place of them.
    """

    folder: Path
    base: Base
    left_out: tuple[str, ...]
    ignored: tuple[str, ...]
    object_format: str
    materials: TreeId = ""


def write_record(store: Path, record: Record) -> None:
    """Write a record into a store."""
    write_whole(
        store / RECORD_FILE,
        canonical_json(
            {
                "format": _FORMAT,
                "folder": str(record.folder),
                "commit": record.base.commit,
                "tree": record.base.tree,
                "candidate": record.base.candidate,
                "left_out": list(record.left_out),
                "ignored": list(record.ignored),
                "object_format": record.object_format,
                "materials": record.materials,
            }
        ),
        mode=0o600,
    )


def read_record(store: Path) -> Record | None:
    """Read the record in a store, or return None when there is none."""
    path = store / RECORD_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_trouble("read", path, cause) from cause
    try:
        told = parse_json(text)
    except NotCanonical as cause:
        raise RecordBroken(f"{path} cannot be read: {cause}") from cause
    match told:
        case {
            "format": 1,
            "folder": str(folder),
            "commit": str(commit),
            "tree": str(tree),
            "candidate": str(candidate),
            "left_out": [*left_out],
            "ignored": [*ignored],
            "object_format": str(object_format),
            **more,
        }:
            return Record(
                Path(folder),
                Base(commit, tree, candidate),
                tuple(map(str, left_out)),
                tuple(map(str, ignored)),
                object_format,
                str(more.get("materials", "")),
            )
        case _:
            raise RecordBroken(f"{path} is not what this version of attractor writes")
