"""The operator's downloads of package managers, which a sandbox can read without a network."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass


@dataclass(frozen=True)
class Downloads:
    """Folders with downloads, and variables that make a package manager use nothing else."""

    folders: Sequence[Path]
    variables: Mapping[str, str]


def find_downloads(name: str, environ: Mapping[str, str]) -> Downloads:
    """Return the downloads of a package manager, as the operator's variables name them."""
    found = _FINDERS[name](environ)
    return Downloads([one for one in found.folders if one.is_dir()], found.variables)


def _go(environ: Mapping[str, str]) -> Downloads:
    home = environ.get("HOME", "/")
    path = environ.get("GOPATH", "").split(":")[0] or f"{home}/go"
    folder = environ.get("GOMODCACHE") or f"{path}/pkg/mod"
    return Downloads([Path(folder)], {"GOMODCACHE": folder, "GOPROXY": "off"})


def _cargo(environ: Mapping[str, str]) -> Downloads:
    home = environ.get("CARGO_HOME") or f"{environ.get('HOME', '/')}/.cargo"
    # Never the folder itself, because it contains credentials.
    folders = [Path(home, "registry"), Path(home, "git")]
    return Downloads(folders, {"CARGO_HOME": home, "CARGO_NET_OFFLINE": "true"})


def _maven(environ: Mapping[str, str]) -> Downloads:
    # Never the folder above, because its settings contain credentials. Without these settings,
    # Maven refuses files that came from a mirror, unless it finds no file that names the mirror.
    folder = f"{environ.get('HOME', '/')}/.m2/repository"
    options = {
        "maven.repo.local": folder,
        "aether.enhancedLocalRepository.trackingFilename": "no.repositories",
    }
    properties = " ".join(f"-D{name}={value}" for name, value in options.items())
    return Downloads([Path(folder)], {"MAVEN_OPTS": properties})


_FINDERS: Mapping[str, Callable[[Mapping[str, str]], Downloads]] = {
    "go": _go,
    "cargo": _cargo,
    "maven": _maven,
}
