"""The environment variables of a command (coding-agent-loop §4.2)."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

# §4.2 names the first five suffixes; the others are used by cloud providers. The settings of
# notify contain webhook URLs, which allow posting.
_SECRET = re.compile(
    r".*_(API_KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL|CREDENTIALS|ACCESS_KEY|PRIVATE_KEY)"
    r"|ATTRACTOR_NOTIFY__.*",
    re.IGNORECASE | re.DOTALL,
)
_CORE = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TZ", "TMPDIR"}
_LANGUAGES = {
    *("GOPATH", "GOROOT", "CARGO_HOME", "RUSTUP_HOME", "NVM_DIR", "NODE_PATH", "PYENV_ROOT"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "JAVA_HOME", "GRADLE_USER_HOME", "GEM_HOME", "RBENV_ROOT"),
    *("BUN_INSTALL", "DENO_DIR", "DOTNET_ROOT", "PNPM_HOME", "SDKMAN_DIR"),
}
_SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_SYSTEM = ("/usr", "/bin", "/sbin")


class Inherit(StrEnum):
    """The part of the operator's variables that a command gets."""

    ALL = "all"
    CORE = "core"
    NONE = "none"


def inherited(environ: Mapping[str, str], inherit: Inherit = Inherit.ALL) -> dict[str, str]:
    """Return the variables of commands without a sandbox: never keys."""
    if inherit is Inherit.NONE:
        return {}
    core = {name: value for name, value in environ.items() if _is_core(name)}
    if inherit is Inherit.CORE:
        return core
    return core | {name: value for name, value in environ.items() if not _SECRET.fullmatch(name)}


def sandboxed(
    environ: Mapping[str, str], *, read: Sequence[str], passed: Sequence[str], home: str
) -> dict[str, str]:
    """Return the variables of commands in a sandbox: none about the operator, except named ones.

    Paths are kept only if they are in the system or in a readable folder.
    """
    visible = (*_SYSTEM, *read)
    locale = {
        name: value
        for name, value in environ.items()
        if name in {"LANG", "TERM", "TZ"} or name.startswith("LC_")
    }
    languages = {
        name: value
        for name, value in environ.items()
        if name in _LANGUAGES and _is_below(value, visible)
    }
    named = {name: environ[name] for name in passed if name in environ}
    folders = [one for one in environ.get("PATH", "").split(":") if _is_below(one, visible)]
    own = {
        "PATH": ":".join(dict.fromkeys((*folders, *_SYSTEM_PATH))),
        "HOME": home,
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": "/bin/bash",
        "TMPDIR": "/tmp",
    }
    return locale | languages | own | named


def _is_core(name: str) -> bool:
    return name in _CORE or name in _LANGUAGES or name.startswith("LC_")


def _is_below(path: str, folders: Sequence[str]) -> bool:
    return ".." not in path.split("/") and any(
        path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders
    )
