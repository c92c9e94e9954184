"""A model for growth: the provider twin answers with JSON objects."""

import json
from collections.abc import Sequence
from pathlib import Path

from attractor.pipeline.project.project import Project
from attractor.twins.script.script import Script
from attractor.twins.server.provider_state import LoggedRequest
from attractor.twins.server.provider_twin import ProviderTwin
from tests.pipeline.projects import open_project


def objects(*answers: object) -> Script:
    """Return a model script with these answers; the last one repeats."""
    texts = [{"text": one if isinstance(one, str) else json.dumps(one)} for one in answers]
    first = [{"answer": one, "first": 1} for one in texts[:-1]]
    return Script.model_validate({"rules": [*first, {"answer": texts[-1]}]})


def questions(twin: ProviderTwin) -> Sequence[LoggedRequest]:
    """Return the paid requests to a twin; a plan first tries the key by the list of models."""
    return [one for one in twin.requests if one.method == "POST"]


def project_with_model(twin: ProviderTwin, folder: Path) -> Project:
    """Return a project whose model is the twin."""
    environ = twin.environ()
    return open_project(
        folder,
        OPENAI_API_KEY=environ["OPENAI_API_KEY"],
        OPENAI_BASE_URL=environ["OPENAI_BASE_URL"],
    )
