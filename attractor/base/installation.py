"""The command that adds a package to this installation of Attractor, by the installer it has."""

import importlib.util
import json
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_NAME = "attractor"


def install_command(*packages: str, extra: str = "", again: bool = False) -> str:
    """Return the command that installs packages or an extra where Attractor is installed.

    pipx and uv are known by the file that each writes to the environments that it makes. With
    `again`, the packages are damaged.
    """
    prefix, (source, options) = Path(sys.prefix), _source(extra)
    force = ["--force-reinstall"] if again else []
    if (prefix / "pipx_metadata.json").is_file():
        inject = ["pipx", "runpip", _NAME, "install", *force, *packages]
        return shlex.join(inject if packages else ["pipx", "install", "--force", *options, source])
    if (prefix / "uv-receipt.toml").is_file():
        named = ("--with", "--reinstall-package") if again else ("--with",)
        more = [word for package in packages for option in named for word in (option, package)]
        return shlex.join(["uv", "tool", "install", "--force", *more, *options, source])
    pip = [sys.executable, "-m", "pip", "install"]
    if importlib.util.find_spec("pip") is None:
        pip = ["uv", "pip", "install", "--python", sys.executable]
        force = ["--reinstall"] if again else []
    return shlex.join([*pip, *force, *(packages or [*options, source])])


def _source(extra: str) -> tuple[str, list[str]]:
    """Return what Attractor was installed from, with an extra, and the options for it."""
    # Imported here, because few commands name an installer, and it imports 30 modules.
    from importlib.metadata import PackageNotFoundError, distribution

    extras = f"[{extra}]" if extra else ""
    try:
        record: Any = json.loads(distribution(_NAME).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        record = {}
    url = str(record.get("url", ""))
    if url.startswith("file:"):
        is_editable = record.get("dir_info", {}).get("editable", False)
        return unquote(urlsplit(url).path) + extras, ["--editable"] if is_editable else []
    if url:
        vcs: str = record.get("vcs_info", {}).get("vcs", "")
        return f"{_NAME}{extras} @ {f'{vcs}+{url}' if vcs else url}", []
    return f"{_NAME}{extras}", []
