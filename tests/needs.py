"""Skips tests without their program; scripts/system-packages installs most programs."""

import shutil

import pytest


def needs(program: str, what: str = "") -> pytest.MarkDecorator:
    """Return the mark that skips a test if a program is not on the PATH."""
    is_missing = shutil.which(program) is None
    return pytest.mark.skipif(is_missing, reason=f"{what or program} is not installed")


needs_curl = needs("curl")
needs_graphviz = needs("dot", "Graphviz")
needs_bubblewrap = needs("bwrap", "bubblewrap")
