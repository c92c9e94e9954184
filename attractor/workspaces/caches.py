"""The cache folder of a run, in which caches of build tools last from stage to stage.

It lies beside the workspaces. All stages and branches of a run can change it, so nothing that
judges the run, and no other run, may read it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from attractor.base.files import make_private_folder
from attractor.workspaces.folders import workspaces_folder

CACHE_VARIABLES: Mapping[str, str] = {
    "CCACHE_DIR": "ccache",  # C and C++
    "GOCACHE": "go-build",  # Go
    "SCCACHE_DIR": "sccache",  # Rust, C and C++
}
"""The variables of build tools, and their folders in the cache folder."""


def cache_folder(state: Path, run_id: str) -> Path:
    """Return the cache folder of a run; only a run in a sandbox has one."""
    # Tools in a sandbox can see this path.
    name = hashlib.sha256(run_id.encode()).hexdigest()[:16]
    return workspaces_folder(state).resolve() / name


def make_cache_folder(state: Path, run_id: str) -> None:
    """Create the cache folder of a run, unless it exists."""
    make_private_folder(cache_folder(state, run_id))
