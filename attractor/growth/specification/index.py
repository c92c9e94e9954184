"""The index of stored specifications: SQLite tables of versions, nodes and edges (ruling G3).

Nothing is decided by the index. It is brought up to date before each question, and can be built
again from the stored specifications.
"""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError
from attractor.base.files import file_error, remove_file
from attractor.growth.specification.graph import ROOT
from attractor.growth.specification.store import SpecStore

PATIENCE_S = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS versions (
    version TEXT PRIMARY KEY, stored TEXT NOT NULL, base TEXT NOT NULL, purpose TEXT NOT NULL,
    nodes INTEGER NOT NULL, open_questions INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS nodes (
    version TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    hash TEXT NOT NULL, author TEXT NOT NULL, PRIMARY KEY (version, id)
);
CREATE INDEX IF NOT EXISTS nodes_by_id ON nodes (id);
CREATE TABLE IF NOT EXISTS edges (
    version TEXT NOT NULL, source TEXT NOT NULL, relation TEXT NOT NULL, target TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS edges_by_version ON edges (version);
"""
_TABLES = ("versions", "nodes", "edges")
_HISTORY = """
SELECT version, name, hash FROM nodes JOIN versions USING (version)
WHERE id = ? ORDER BY stored, version
"""


@dataclass(frozen=True)
class SpecVersion:
    """A stored specification in a list."""

    id: str
    stored: str
    base: str
    purpose: str
    nodes: int
    open_questions: int


@dataclass(frozen=True)
class NodeVersion:
    """A node as a stored specification has it."""

    version: str
    name: str
    hash: str


@dataclass(frozen=True)
class IndexSize:
    """The rows of the index."""

    versions: int
    nodes: int
    edges: int


class SpecIndex:
    """The index of the specifications of a store."""

    def __init__(self, file: Path, store: SpecStore) -> None:
        self.file = file
        self._store = store

    def rebuild(self) -> IndexSize:
        """Build the index again; return its size."""
        for suffix in ("", "-journal"):
            remove_file(self.file.with_name(f"{self.file.name}{suffix}"))
        with self._open() as db:
            counts = [db.execute(f"SELECT COUNT(*) FROM {one}").fetchone()[0] for one in _TABLES]
            return IndexSize(*counts)

    def versions(self) -> Sequence[SpecVersion]:
        """Return all stored specifications, oldest first."""
        with self._open() as db:
            return [
                SpecVersion(*row)
                for row in db.execute("SELECT * FROM versions ORDER BY stored, version")
            ]

    def history(self, node: str) -> Sequence[NodeVersion]:
        """Return a node as each stored specification has it, oldest first."""
        with self._open() as db:
            return [NodeVersion(*row) for row in db.execute(_HISTORY, [node])]

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        """Yield the index, up to date."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            connected = sqlite3.connect(self.file, timeout=PATIENCE_S, isolation_level=None)
            with closing(connected) as db:
                db.executescript(_SCHEMA)
                # One process at a time, and no reader sees half of a version.
                db.execute("BEGIN IMMEDIATE")
                self._refresh(db)
                db.execute("COMMIT")
                yield db
        except OSError as cause:
            raise file_error("write", self.file, cause) from cause
        except sqlite3.Error as cause:
            message = f"cannot use the index {self.file}: {cause}"
            raise MachineryError(message, hint="run 'attractor spec reindex'") from cause

    def _refresh(self, db: sqlite3.Connection) -> None:
        known = {id_ for (id_,) in db.execute("SELECT version FROM versions")}
        stored = set(self._store.ids())
        for id_ in known - stored:
            for table in _TABLES:
                db.execute(f"DELETE FROM {table} WHERE version = ?", [id_])
        for id_ in sorted(stored - known):
            spec = self._store.load(id_)
            time = datetime.fromtimestamp(self._store.stored_at(spec.id), UTC)
            version = (
                spec.id,
                time.isoformat(timespec="milliseconds"),
                spec.base,
                str(spec.graph.root.fields["purpose"]),
                len(spec.graph),
                len(spec.clarifications),
            )
            db.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)", version)
            for node in spec.graph.below(ROOT):
                author = node.provenance.by.value
                row = (spec.id, node.id, node.kind, node.name, node.hash, author)
                db.execute("INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?)", row)
                edges = [(spec.id, node.id, edge.relation.value, edge.to) for edge in node.edges]
                db.executemany("INSERT INTO edges VALUES (?, ?, ?, ?)", edges)
