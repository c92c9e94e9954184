"""The scripts of `make`: a single set-up, at any path of the checkout, and system packages.

A real set-up needs the network; here a stand-in for Python records its calls.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.examples import ROOT

PYTHON = """#!/bin/sh
case "$*" in
*"-m venv"*)
    mkdir -p "$4/bin"
    for tool in ruff pyright python; do cp "$0" "$4/bin/$tool"; done ;;
esac
echo "$(basename "$0") $*" >> "$NOTES"
"""
UV = """#!/bin/sh
echo "uv $*" >> "$NOTES"
[ "$1" = pip ] || exec "$PYTHON" -m venv --clear "$6"
shift 4
exec "$PYTHON" -m pip "$@"
"""
PROGRAMS = {
    **{"git": "git", "dot": "graphviz", "bwrap": "bubblewrap", "rg": "ripgrep"},
    "pg_ctlcluster": "postgresql",
    **{"podman": "podman", "crun": "crun", "catatonit": "catatonit", "busybox": "busybox-static"},
}
if not (os.access("/usr/sbin/sshd", os.X_OK) or Path("/run/systemd/system").is_dir()):
    PROGRAMS["sshd"] = "openssh-server"


def write_program(file: Path, script: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script)
    file.chmod(0o755)


@dataclass(frozen=True)
class Checkout:
    """A copy of the files that `make` reads, with a stand-in for Python."""

    folder: Path
    notes: Path

    def make(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        python = str(self.folder / "a python" / "python3")
        known = {"PATH": "/usr/bin:/bin", "NOTES": str(self.notes), "PYTHON": python}
        # As in a shell after `cd` through a link.
        known["PWD"] = str(self.folder)
        return subprocess.run(
            ["make", *words],
            cwd=self.folder,
            env=known | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def set_ups(self) -> int:
        """Count the set-ups since the last call."""
        notes = self.notes.read_text()
        self.notes.write_text("")
        return notes.count("-m venv")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder = tmp_path / "a 'quoted\" $HOME"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "scripts"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / "docs").mkdir()
    write_program(folder / "a python" / "python3", PYTHON)
    (tmp_path / "notes").touch()
    return Checkout(folder, tmp_path / "notes")


def test_parallel_targets_set_up_once(checkout: Checkout) -> None:
    result = checkout.make("-j4", "test", "check", "thorough")
    assert result.returncode == 0, result.stderr
    lines = checkout.notes.read_text().splitlines()
    runtime, tools = (at for at, line in enumerate(lines) if "-m pip install" in line)
    assert "compileall -q attractor" in lines[runtime + 1]
    assert all("-m pytest" not in line for line in lines[:tools])
    assert sum("-m pytest" in line for line in lines) == 2
    assert checkout.set_ups() == 1


def test_uv_sets_up_and_compiles_once_where_it_is_on_the_path(checkout: Checkout) -> None:
    write_program(checkout.folder / "with uv" / "uv", UV)
    result = checkout.make("demo", PATH=f"{checkout.folder / 'with uv'}:/usr/bin:/bin")
    assert result.returncode == 0, result.stderr
    asked = [line for line in checkout.notes.read_text().splitlines() if line.startswith("uv ")]
    python = checkout.folder / "a python" / "python3"
    assert asked == [
        f"uv venv --quiet --clear --python {python} .venv",
        "uv pip install --python .venv/bin/python --compile-bytecode --quiet"
        " --constraint constraints.txt --editable .",
    ]
    assert checkout.make("demo").returncode == 0
    assert checkout.set_ups() == 1


def test_demo_needs_no_tools_of_developers_and_they_are_added_later(checkout: Checkout) -> None:
    demo = checkout.make("demo")
    assert re.fullmatch(
        r"Setting up .*\n  environment ... \d s\n  packages ... \d s\n  compile ... \d s\n",
        demo.stderr,
    )
    assert ".[dev]" not in checkout.notes.read_text()
    assert checkout.set_ups() == 1
    assert re.search(r"  packages ... \d s\n\Z", checkout.make("check").stderr)
    assert ".[dev]" in checkout.notes.read_text()
    checkout.make("demo")
    assert checkout.set_ups() == 0
    assert checkout.make("check").stderr == ""


def test_set_up_is_repeated_only_after_a_change(checkout: Checkout) -> None:
    checkout.make("demo")
    assert checkout.set_ups() == 1
    checkout.make("demo")
    assert checkout.set_ups() == 0
    later = (checkout.folder / ".venv" / "ready").stat().st_mtime + 10
    os.utime(checkout.folder / "constraints.txt", (later, later))
    checkout.make("demo")
    assert checkout.set_ups() == 1


def test_moved_checkout_is_set_up_again(checkout: Checkout, tmp_path: Path) -> None:
    checkout.make("demo")
    moved = Checkout(checkout.folder.rename(tmp_path / "moved to"), checkout.notes)
    assert checkout.set_ups() == 1
    assert moved.make("demo").returncode == 0
    assert moved.set_ups() == 1
    moved.make("demo")
    assert moved.set_ups() == 0


def test_link_to_the_checkout_is_not_a_move(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(checkout.folder)
    linked = Checkout(tmp_path / "link", checkout.notes)
    assert linked.make("demo").returncode == 0
    assert linked.set_ups() == 1
    linked.make("demo")
    checkout.make("demo")
    assert linked.set_ups() == 0


def test_unsuitable_python_is_reported(checkout: Checkout) -> None:
    result = checkout.make("demo", PYTHON="/no such/python")
    assert result.returncode != 0
    assert "no Python 3.11 or newer among: /no such/python" in result.stderr
    assert checkout.set_ups() == 0


def system_packages(folder: Path, *, user: int, apt: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a stand-in for apt-get, on a system with only chromium."""
    write_program(folder / "id", f"#!/bin/sh\necho {user}\n")
    write_program(folder / "chromium", "#!/bin/sh\n")
    if apt:
        write_program(folder / "apt-get", f'#!/bin/sh\necho "$*" >> {folder}/asked\n{apt}\n')
    return subprocess.run(
        ["/bin/sh", ROOT / "scripts" / "system-packages"],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_user_without_rights_gets_the_install_command(tmp_path: Path) -> None:
    result = system_packages(tmp_path, user=1000, apt="exit 9")
    assert result.returncode == 0
    assert f"--no-install-recommends {' '.join(PROGRAMS.values())}'" in result.stderr
    assert not (tmp_path / "asked").exists()


def test_unavailable_packages_do_not_stop_the_others(
    tmp_path: Path,
) -> None:
    refuse = 'case "$*" in update*|*ripgrep*|*graphviz*) exit 100 ;; esac'
    result = system_packages(tmp_path, user=0, apt=refuse)
    assert result.returncode == 1
    assert "could not be installed: graphviz ripgrep (" in result.stderr
    asked = (tmp_path / "asked").read_text()
    assert all(f" {package}\n" in asked for package in PROGRAMS.values())
    assert "chromium" not in asked


def test_complete_machine_needs_no_packages(tmp_path: Path) -> None:
    for name in PROGRAMS:
        write_program(tmp_path / name, "#!/bin/sh\n")
    result = system_packages(tmp_path, user=0, apt="exit 9")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(("kilobytes", "is_room"), [(5_000_000, True), (3_000_000, False)])
def test_test_files_are_in_memory_if_there_is_room(
    tmp_path: Path, kilobytes: int, is_room: bool
) -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("this system has no /dev/shm")
    df = tmp_path / "df"
    df.write_text(f"#!/bin/sh\necho head; echo tmpfs 0 0 {kilobytes} 0% /dev/shm\n")
    df.chmod(0o755)
    awk = tmp_path / "awk"
    awk.write_text(
        '#!/bin/sh\ncase "$*" in *MemAvailable*) echo 9000000;; *exit*) ;; *) sed 1d |'
        " cut -d' ' -f4;; esac\n"
    )
    awk.chmod(0o755)
    result = subprocess.run(
        [ROOT / "scripts" / "room-in-memory"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == ("/dev/shm\n" if is_room else "")


def test_environment_of_another_folder_is_refused_with_its_owner(
    checkout: Checkout, tmp_path: Path
) -> None:
    owner = tmp_path / "owner"
    theirs = owner / ".venv"
    theirs.mkdir(parents=True)
    (theirs / "ready").write_text(f"{owner}\n")
    (checkout.folder / ".venv").symlink_to(theirs)
    linked = checkout.make("demo")
    named = checkout.make("demo", f"VENV={theirs}")
    assert checkout.set_ups() == 0
    assert f"error: .venv is a link to {theirs}, which belongs to {owner}" in linked.stderr
    assert f"error: {theirs} belongs to {owner}" in named.stderr
    assert "; remove the link, or name another folder: make VENV=FOLDER" in linked.stderr
    # The environment of another folder is not to be removed.
    assert f"{owner}; name another folder: make VENV=FOLDER" in named.stderr
    assert sorted(one.name for one in theirs.iterdir()) == ["ready"]
    assert checkout.make("demo", f"VENV={tmp_path}/mine").returncode == 0
    assert checkout.set_ups() == 1
    assert (tmp_path / "mine" / "ready").exists()
