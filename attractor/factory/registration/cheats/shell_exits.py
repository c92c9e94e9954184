"""Ends with 0 and does nothing."""

from collections.abc import Mapping

from attractor.factory.registration.cheat import Cheat, Solution

_SHELLS = ("#!/bin/sh", "#!/bin/bash", "#!/usr/bin/env bash", "#!/usr/bin/env sh")


def _make(solution: Solution) -> Mapping[str, str]:
    return {
        path: "#!/bin/sh\nexit 0\n"
        for path, text in solution.sources.items()
        if path.endswith(".sh") or text.startswith(_SHELLS)
    }


part = Cheat("ends with 0 and does nothing", _make)
