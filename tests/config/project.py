"""A project, a user's home and a working directory, for tests that load a configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from attractor.config.configuration import Configuration
from attractor.config.sources import source_readers
from attractor.config.tables import Model
from attractor.config.validation import load_sources


@dataclass(frozen=True)
class Project:
    """Three folders: the project, the user's configuration, and the working directory."""

    root: Path
    home: Path
    cwd: Path

    @property
    def user_file(self) -> Path:
        return self.home / "config.toml"

    def write(self, text: str) -> None:
        (self.root / "attractor.toml").write_text(text, encoding="utf-8")

    def write_user(self, text: str) -> None:
        self.user_file.write_text(text, encoding="utf-8")

    def load(
        self,
        model: type[Model],
        *,
        flags: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Configuration[Model]:
        readers = source_readers(
            root=self.root,
            cwd=cwd or self.root,
            environ=environ or {},
            flags=flags,
            user_file=self.user_file,
        )
        return load_sources(model, readers, self.root, home=str(self.home))
