"""Optional programs of tests: how to install them, and skips of tests without them."""

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Generator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "bubblewrap": ("bubblewrap", "bwrap"),
    "busybox": ("busybox-static", "busybox"),
    "cargo": ("cargo", "cargo"),
    "cargo-clippy": ("rust-clippy", "cargo-clippy"),
    "catatonit": ("catatonit", "catatonit"),
    "cc": ("gcc", "cc"),
    "chromium": ("chromium", *_CHROMIUM, "/usr/lib*/chromium*/chromium*"),
    # The launchers read /etc, which a sandbox does not show.
    "chromium-headless-shell": (
        "chromium-headless-shell",
        "/usr/lib/chromium/chromium-headless-shell",
        "chromium-headless-shell",
    ),
    "cmake": ("cmake", "cmake"),
    "curl": ("curl", "curl"),
    "gcc": ("gcc", "gcc"),
    "go": ("golang-go", "go"),
    "graphviz": ("graphviz", "dot"),
    "javac": ("default-jdk-headless", "javac"),
    "maven": ("maven", "mvn"),
    "node": ("nodejs", "node"),
    "npm": ("npm", "npm"),
    "npx": ("npm", "npx"),
    "openssl": ("openssl", "openssl"),
    "pgrep": ("procps", "pgrep"),
    "podman": ("podman", "podman"),
    "postgresql": ("postgresql", "/usr/lib/postgresql/*/bin/initdb"),
    "ripgrep": ("ripgrep", "rg"),
    "rustc": ("rustc", "rustc"),
    "rustup": ("rustup", "rustup"),
    "ssh": ("openssh-client", "ssh"),
    "sshd": ("openssh-server", "sshd"),
}
"""The Debian package of each program, and its commands: names, or patterns of paths."""

_STANDARD = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FIXTURES = {"sandbox_allowed": "bubblewrap", "cluster": "postgresql"}
_SKIPPED = re.compile(r"(\S+) is not installed: (apt-get install \S+)$")


def paths(program: str) -> list[str]:
    """Return the paths of an installed program, on the PATH and in the folders of Debian."""
    # sshd is not on the PATH of users.
    folders = f"{os.environ.get('PATH', '')}:{_STANDARD}".split(":")
    return [
        path
        for command in PROGRAMS[program][1:]
        for path in (
            sorted(map(str, Path("/").glob(command[1:])), reverse=True)
            if command.startswith("/")
            else filter(None, (shutil.which(command, path=one) for one in folders))
        )
    ]


def require(program: str) -> str:
    """Return the path of a program; skip the test if it is not installed."""
    for path in paths(program):
        # rustup leaves commands that fail as long as there is no toolchain.
        if Path(path).resolve().name != "rustup" or _runs(path):
            return path
    pytest.skip(f"{program} is not installed: apt-get install {PROGRAMS[program][0]}")


@cache
def _runs(path: str) -> bool:
    command = [path, "--version"]
    return not subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


def needs(program: str) -> pytest.MarkDecorator:
    """Return the mark that skips a test if a program is not installed."""
    assert program in PROGRAMS
    return pytest.mark.needs(program=program)


needs_bubblewrap = needs("bubblewrap")
needs_curl = needs("curl")
needs_graphviz = needs("graphviz")
needs_sandbox = pytest.mark.usefixtures("sandbox_allowed")
needs_kind = pytest.mark.usefixtures("kind_allowed")


ALLOWED = {"bubblewrap": "sandbox_allowed", "landlock": "landlock_allowed"}
"""The fixture that skips a test without a sandbox, for each kind."""


@pytest.fixture(scope="session")
def sandbox_allowed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip the tests where bubblewrap cannot make a sandbox."""
    # Rooms whose tests need no sandbox do not import it.
    from tests.environments.places import why_no_sandbox

    require("bubblewrap")
    if why := why_no_sandbox(tmp_path_factory.mktemp("trial")):
        pytest.skip(f"no sandbox here: {why}")


@pytest.fixture(scope="session")
def landlock_allowed() -> None:
    """Skip the tests where the kernel has no Landlock, or a version that is too old."""
    from attractor.environments.sandbox.landlock import landlock_abi, require_landlock
    from tests.environments.places import skipping_without_sandbox

    with skipping_without_sandbox():
        require_landlock(landlock_abi())


@pytest.fixture
def kind_allowed(request: pytest.FixtureRequest, sandbox: str) -> None:
    """Skip the test if its parameter `sandbox` is a kind that is not available."""
    if sandbox in ALLOWED:
        request.getfixturevalue(ALLOWED[sandbox])


def pytest_itemcollected(item: Any) -> None:
    """Mark tests whose fixtures need a program, so that `-m "needs(program='...')"` has them."""
    for fixture in _FIXTURES.keys() & getattr(item, "fixturenames", ()):
        item.add_marker(needs(_FIXTURES[fixture]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        require(mark.kwargs["program"])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Print how many tests were skipped without which program, after the line of pytest."""
    yield
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", ()) if reporter else ()
    reasons = (one.longrepr[2] for one in skipped)
    found = Counter(found.groups() for found in map(_SKIPPED.search, reasons) if found)
    if found:
        said = [f"{n} without {program} ({line})" for (program, line), n in sorted(found.items())]
        reporter.write_line(f"skipped: {', '.join(said)}")
