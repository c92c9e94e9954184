"""Unpacks archives of files that the project keeps."""

import tarfile
from pathlib import Path


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder."""
    with tarfile.open(archive) as kept:
        # Python before 3.11.4 has no filters.
        if hasattr(tarfile, "tar_filter"):
            kept.extraction_filter = tarfile.tar_filter
        kept.extractall(folder)
