"""The gallery: pipelines of the package that run by name, such as `gallery:bug_fix`."""

from pathlib import Path

from attractor import __version__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, UnknownName
from attractor.base.json import Json

PREFIX = "gallery:"
GALLERY = (
    "bug_fix",
    "candidates",
    "feature",
    "nightly_report",
    "plan_implement_review",
    "refactor",
    "review",
)
"""The names of the pipelines in the gallery, which need no input but a goal.

Each has a file in `pipelines/`, a section in its README, and a line of the wheel in pyproject.toml.
"""

_PACKAGE = Path(__file__).parent.parent.parent
# The files are in the package if it is installed from a wheel, and beside it in a checkout.
SHIPPED_PIPELINES = (_PACKAGE / "pipelines", _PACKAGE.parent / "pipelines")


def find_in_gallery(name: str) -> Path:
    """Return the file of a pipeline of the gallery, with or without the prefix of its name."""
    bare = name.removeprefix(PREFIX)
    if bare not in GALLERY:
        raise UnknownName("pipeline of the gallery", bare, GALLERY)
    files = [folder / f"{bare}.dot" for folder in SHIPPED_PIPELINES]
    if found := next((file for file in files if file.is_file()), None):
        return found
    raise FileError(f"cannot read {files[0]}: the file is missing", hint="reinstall attractor")


def is_gallery_word(word: str) -> bool:
    """Return whether a word names a pipeline of the gallery, known or unknown."""
    return word.startswith(PREFIX)


def gallery_version(file: Path) -> str:
    """Return the name and the version of a pipeline of the gallery: `bug_fix@1.2.0`.

    Return an empty text for any other file.
    """
    is_ours = file.stem in GALLERY and file.suffix == ".dot" and file.parent in SHIPPED_PIPELINES
    return f"{file.stem}@{__version__}" if is_ours else ""


def gallery_word(version: str) -> str:
    """Return the word that runs a pipeline of the gallery, of whatever version."""
    return f"{PREFIX}{version.partition('@')[0]}"


@dataclass(frozen=True)
class GalleryPipeline:
    """A pipeline of the gallery: its file, its text, and its purpose in one line."""

    name: str
    file: Path
    text: str

    @property
    def purpose(self) -> str:
        """The comment in the first line of the text."""
        return self.text.partition("\n")[0].removeprefix("//").strip()

    def to_record(self) -> dict[str, Json]:
        """Return the record without the text."""
        return {
            "name": self.name,
            "run_as": gallery_word(self.name),
            "purpose": self.purpose,
            "version": __version__,
            "file": str(self.file),
        }


def open_gallery_pipeline(name: str) -> GalleryPipeline:
    """Read a pipeline of the gallery."""
    file = find_in_gallery(name)
    return GalleryPipeline(file.stem, file, file.read_text("utf-8"))
