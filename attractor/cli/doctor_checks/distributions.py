"""Installed distributions that may contain plugins: reports damaged distributions."""

import os
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path
from typing import cast

from attractor.cli.doctor import Finding, Machine, missing, ok

SUBJECT = "distributions"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report damaged distributions, whose plugins are unavailable."""
    return [*_damaged()] or [ok(SUBJECT, "no damaged distributions")]


def _damaged() -> Iterator[Finding]:
    for distribution in distributions():
        # The public interface returns only the parent folder.
        place = Path(str(getattr(distribution, "_path", distribution.locate_file(""))))
        file = "METADATA"
        try:
            # The library importlib_metadata, whose import replaces the module, has None for an
            # empty file.
            metadata = cast("PackageMetadata | None", distribution.metadata)
            if metadata is None or "Name" not in metadata:
                raise ValueError("missing, empty or unreadable")
            file = "entry_points.txt"
            _read_entry_points(distribution, place / file)
        except Exception as error:  # noqa: BLE001 - any fault is reported
            found = f"{place} is skipped: {file}: {type(error).__name__}: {error}"
            name = place.stem.partition("-")[0]
            remedy = f"reinstall {name}, or remove the folder if it is a leftover"
            yield missing(f"distribution {place.stem}", found, remedy=remedy)


def _read_entry_points(distribution: Distribution, file: Path) -> None:
    # importlib.metadata treats an unreadable file as missing.
    if os.path.lexists(file):
        file.open("rb").close()
    try:
        list(distribution.entry_points)
    except TypeError as error:
        raise ValueError("a line is not NAME = VALUE") from error


part = examine
