"""Skips tests that need a program which is not installed; scripts/system-packages installs most."""

import shutil

import pytest


def needs(program: str, what: str = "") -> pytest.MarkDecorator:
    """Return the mark that skips a test without a program of the PATH."""
    is_missing = shutil.which(program) is None
    return pytest.mark.skipif(is_missing, reason=f"{what or program} is not installed")


needs_curl = needs("curl")
needs_graphviz = needs("dot", "Graphviz")
needs_bubblewrap = needs("bwrap", "bubblewrap")
