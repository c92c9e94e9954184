"""Providers of models with their keys, and known models."""

import asyncio
from dataclasses import asdict

from fastapi import APIRouter

from attractor.backends.models import ProviderKey, list_catalogue, read_provider_keys
from attractor.base.records import write_fields
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel, JsonRecord, Name
from attractor.server.http.scopes import READ, ProjectService

part = APIRouter(tags=["models"], responses=problem_statuses(400, 404))


class ProviderAnswer(AnswerModel, of=ProviderKey):
    """A provider, the variables that configure it, and the one that is set; never a key."""


@part.get("/api/v1/providers", dependencies=[READ])
def list_providers(service: ProjectService) -> list[ProviderAnswer]:
    """List the providers of models, and whether their keys are set for the server."""
    keys = asyncio.run(read_provider_keys(service.project.machine.environ))
    return [ProviderAnswer.model_validate(write_fields(one)) for one in keys]


@part.get("/api/v1/models", dependencies=[READ])
def list_models(provider: Name = "") -> list[JsonRecord]:
    """List the models of a provider, or of all installed providers, with windows and prices."""
    return [asdict(one) for one in list_catalogue(provider)]
