"""Runs pipelines for the tests of the specification, through the public API."""

import json
import os
from pathlib import Path
from typing import Unpack

from attractor import (
    Answer,
    Context,
    Event,
    Node,
    Question,
    RunResult,
    parse,
    resume_pipeline_sync,
    run_pipeline_sync,
)
from attractor.base.json import Json
from attractor.engine.outcome import Outcome
from attractor.engine.questions.question import AnswerKind
from attractor.factory.api import ResumeOptions, RunOptions


def environ_for(folder: Path) -> dict[str, str]:
    """Return variables with which a run has its state in a folder."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ATTRACTOR_STATE_DIR": str(folder / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(folder / "workspaces"),
    }


def project_in(folder: Path) -> Path:
    """Return the project of the runs in a folder."""
    project = folder / "project"
    project.mkdir(exist_ok=True)
    return project


def run(folder: Path, text: str, **options: Unpack[RunOptions]) -> RunResult:
    """Run a pipeline until it ends or waits; without a backend it is simulated."""
    given: RunOptions = {
        "backend": "simulate",
        "project": project_in(folder),
        "environ": environ_for(folder),
        "sandbox": "none",
        "workspace": "none",
        **options,
    }
    return run_pipeline_sync(parse(text), **given)


def resume(folder: Path, **options: Unpack[ResumeOptions]) -> RunResult:
    """Resume the newest run."""
    given: ResumeOptions = {
        "project": project_in(folder),
        "environ": environ_for(folder),
        **options,
    }
    return resume_pipeline_sync("latest", **given)


def between(*lines: str, name: str = "Test") -> str:
    """Return a pipeline with a start and an exit, and these statements between them."""
    ends = ["start [shape=Mdiamond]", "exit [shape=Msquare]"]
    return "\n".join([f"digraph {name} {{", *ends, *lines, "}"])


def record(result: RunResult, name: str) -> dict[str, Json]:
    """Return a file of a run's directory."""
    return json.loads((result.directory / name).read_text())


def events(result: RunResult, *kinds: str) -> list[Event]:
    """Return the events of some types, or all."""
    lines = (result.directory / "events.jsonl").read_text().splitlines()
    found = [Event.from_record(json.loads(line)) for line in lines]
    return [one for one in found if not kinds or one.type in kinds]


class ScriptedBackend:
    """A backend that gives scripted answers for each node, in order, and records the prompts."""

    def __init__(self, **words: list[Outcome | str]) -> None:
        self._words = words
        self.calls: list[str] = []
        self.prompts: list[str] = []

    def run(self, node: Node, prompt: str, context: Context) -> str | Outcome:
        """Give the next answer; repeat the last one."""
        self.calls.append(node.id)
        self.prompts.append(prompt)
        words = self._words.get(node.id, [f"done: {node.id}"])
        return words[min(self.calls.count(node.id), len(words)) - 1]


class Person:
    """Answers with the given texts, in order, and records the questions."""

    def __init__(self, *words: str) -> None:
        self._words = list(words)
        self.asked: list[Question] = []

    def ask(self, question: Question) -> Answer:
        """Answer with the next text."""
        self.asked.append(question)
        return Answer(AnswerKind.GIVEN, self._words.pop(0), by="a test")
