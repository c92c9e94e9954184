"""Stores of resources in a folder, for tests."""

import os
from datetime import UTC, datetime
from pathlib import Path

from attractor.factory.ledger.ledger import Ledger
from attractor.factory.project import ProjectIdentity
from attractor.factory.resources.pipelines import PipelineStore
from attractor.factory.resources.profiles import ProfileStore
from attractor.factory.resources.suites import Proof, Registration, SuiteStore

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def make_identity(folder: Path, name: str = "project") -> ProjectIdentity:
    return ProjectIdentity(folder / name / "runs", folder / "state" / "project.lock", os.urandom)


def profile_store(folder: Path, project: str = "project") -> ProfileStore:
    state = folder / "state"
    return ProfileStore(state, make_identity(folder, project), Ledger(state))


def suite_store(folder: Path, project: str = "project") -> SuiteStore:
    state = folder / "state"
    return SuiteStore(state, make_identity(folder, project), Ledger(state))


def register(
    store: SuiteStore, folder: Path, *, now: datetime = NOW, carried: str = ""
) -> Registration:
    """Register a suite without the trials that check it, for a hash of carried paths."""
    return store.add(store.seal(folder), folder, by="ann", now=now, proof=Proof(carried))


def pipeline_store(folder: Path, project: str = "project") -> PipelineStore:
    state = folder / "state"
    return PipelineStore(state, make_identity(folder, project), Ledger(state))
