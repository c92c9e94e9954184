"""Files and commands of agents and stages. Each name is imported on first use."""

from typing import TYPE_CHECKING

from attractor.base import lazy_exports

if TYPE_CHECKING:
    from attractor.environments.docker import DockerExecutionEnvironment
    from attractor.environments.environment import (
        DirEntry,
        ExecutionEnvironment,
        GrepOptions,
        GrepOutput,
        Inherit,
        Promises,
    )
    from attractor.environments.errors import (
        CommandUnusable,
        FileMissing,
        FileUnusable,
        NotSupported,
        NotText,
        PathOutside,
        PortUnusable,
        RemoteLost,
        SandboxLost,
        SandboxUnavailable,
    )
    from attractor.environments.local import LocalExecutionEnvironment
    from attractor.environments.logging import LoggingExecutionEnvironment
    from attractor.environments.memory import MemoryExecutionEnvironment
    from attractor.environments.read_only import ReadOnlyExecutionEnvironment
    from attractor.environments.ssh import SshExecutionEnvironment
    from attractor.environments.wrappers import EnvironmentWrapper

__all__ = [
    "CommandUnusable",
    "DirEntry",
    "DockerExecutionEnvironment",
    "EnvironmentWrapper",
    "ExecutionEnvironment",
    "FileMissing",
    "FileUnusable",
    "GrepOptions",
    "GrepOutput",
    "Inherit",
    "LocalExecutionEnvironment",
    "LoggingExecutionEnvironment",
    "MemoryExecutionEnvironment",
    "NotSupported",
    "NotText",
    "PathOutside",
    "PortUnusable",
    "Promises",
    "ReadOnlyExecutionEnvironment",
    "RemoteLost",
    "SandboxLost",
    "SandboxUnavailable",
    "SshExecutionEnvironment",
]

_HOMES = {
    "CommandUnusable": "errors",
    "DirEntry": "environment",
    "DockerExecutionEnvironment": "docker",
    "EnvironmentWrapper": "wrappers",
    "ExecutionEnvironment": "environment",
    "FileMissing": "errors",
    "FileUnusable": "errors",
    "GrepOptions": "environment",
    "GrepOutput": "environment",
    "Inherit": "environment",
    "LocalExecutionEnvironment": "local",
    "LoggingExecutionEnvironment": "logging",
    "MemoryExecutionEnvironment": "memory",
    "NotSupported": "errors",
    "NotText": "errors",
    "PathOutside": "errors",
    "PortUnusable": "errors",
    "Promises": "environment",
    "ReadOnlyExecutionEnvironment": "read_only",
    "RemoteLost": "errors",
    "SandboxLost": "errors",
    "SandboxUnavailable": "errors",
    "SshExecutionEnvironment": "ssh",
}

__getattr__ = lazy_exports.lazy_getattr(__name__, _HOMES)
__dir__ = lazy_exports.lazy_dir(__name__, _HOMES)
