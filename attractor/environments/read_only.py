"""An environment whose file tools change nothing."""

from attractor.environments.errors import FileUnusable
from attractor.environments.wrappers import EnvironmentWrapper

_HINT = "leave the files unchanged, and describe the change instead"


class ReadOnlyExecutionEnvironment(EnvironmentWrapper):
    """Refuses to write and delete files, and passes everything else on.

    Commands run unchanged, because a command does not show whether it writes. Only the inner
    environment can stop them: a sandbox whose `SandboxSettings` have `read_only=True` mounts the
    workspace read-only.
    """

    async def write_file(
        self, path: str, content: str | bytes, *, permissions_of: str = ""
    ) -> None:
        """Raise FileUnusable."""
        raise FileUnusable(f"cannot write {path}: the files are read-only", hint=_HINT)

    async def delete_file(self, path: str) -> None:
        """Raise FileUnusable."""
        raise FileUnusable(f"cannot delete {path}: the files are read-only", hint=_HINT)
