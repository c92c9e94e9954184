"""The profiles of a state folder: policies for the gate, with revisions that runs pin."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attractor.base.errors import UnknownName
from attractor.base.files import make_private_folder, write_whole
from attractor.base.locks import FileLock
from attractor.factory.errors import InvalidProfile


class Profile(BaseModel):
    """A policy for the gate; each run pins one revision of a profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    revision: int = Field(default=1, ge=1)
    allow_unverified_isolation: bool = False


PATIENCE_S = 10.0


class ProfileStore:
    """The profiles of a state folder."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "profiles"
        self._lock = FileLock(self._folder / "profiles.lock")

    def create(self, name: str, *, allow_unverified_isolation: bool = False) -> Profile:
        """Create the first revision of a profile."""
        profile = _valid(name, allow_unverified_isolation)
        make_private_folder(self._folder)
        with self._lock.acquire(wait=PATIENCE_S, purpose="attractor profile create"):
            if name in self.names():
                raise InvalidProfile(f"profile {name!r} already exists", hint="choose another name")
            (self._folder / name).mkdir(mode=0o700, exist_ok=True)
            write_whole(self._file(profile), profile.model_dump_json(indent=2))
        return profile

    def names(self) -> list[str]:
        """Return the names of all profiles."""
        return sorted(one.parent.name for one in self._folder.glob("*/1.json"))

    def find(self, reference: str) -> Profile:
        """Return the profile that `NAME` (the latest revision) or `NAME@REVISION` refers to."""
        name, _, number = reference.partition("@")
        if name not in self.names():
            raise UnknownName("profile", name, self.names())
        revisions = {file.stem: file for file in (self._folder / name).glob("*.json")}
        if number and number not in revisions:
            raise UnknownName(f"revision of profile {name}", number, revisions)
        chosen = number or max(revisions, key=int)
        return Profile.model_validate_json(revisions[chosen].read_bytes())

    def _file(self, profile: Profile) -> Path:
        return self._folder / profile.name / f"{profile.revision}.json"


def _valid(name: str, allow_unverified_isolation: bool) -> Profile:
    try:
        return Profile(name=name, allow_unverified_isolation=allow_unverified_isolation)
    except ValidationError as error:
        raise InvalidProfile(
            f"invalid profile name {name!r}",
            hint="use lower-case letters, digits, - and _",
        ) from error
