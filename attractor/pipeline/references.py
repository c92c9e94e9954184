"""What a hint calls a run, so that the command in it can be typed as it stands."""

import shlex
from pathlib import Path

from attractor.base.ids import is_run_id


def reference_to(root: Path) -> str:
    """Return a run's id where its directory has that name, else the directory, for a shell."""
    return root.name if is_run_id(root.name) else shlex.quote(str(root))
