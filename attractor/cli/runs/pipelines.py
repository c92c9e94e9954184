"""The pipeline that a command runs: a file, a registered version, one by name, or a text."""

import sys
from dataclasses import replace
from pathlib import Path

from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import with_registered
from attractor.language.reading import decode
from attractor.pipeline.source.gallery import find_in_gallery, gallery_version, is_gallery_word
from attractor.pipeline.source.read import STDIN


def find_pipeline(pipeline: Path, opened: OpenProject) -> tuple[Path, OpenProject, str]:
    """Return the file of a pipeline, and the project that knows a text without a file.

    Such a text is on standard input, or it is a registered version. Return also the version of a
    pipeline of the gallery: by its name only, because a checkout of Attractor has these files, too.
    """
    if str(pipeline) == "-":
        content = sys.stdin.buffer.read() if sys.stdin else b""
        texts = {str(Path(STDIN).absolute()): decode(content, file=STDIN)}
        return Path(STDIN), replace(opened, project=opened.project.with_texts(texts)), ""
    if is_gallery_word(str(pipeline)):
        file = find_in_gallery(str(pipeline))
        return file, opened, gallery_version(file)
    versions = opened.pipelines.versions
    if versions.is_numbered(str(pipeline)) and not pipeline.exists():
        return *with_registered(versions.find_usable(str(pipeline)), opened), ""
    return pipeline, opened, ""
