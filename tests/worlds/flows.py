"""A project with actors whose runs are simulated in this process."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from attractor.attention.rows import Settler
from attractor.base.clock import SystemClock
from attractor.factory.open_project import OpenProject, open_project
from attractor.worlds.actors import Actor, ActorFolder, create_actor
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import Message, Sender, SenderKind
from attractor.worlds.orders import here

ANN = Sender(SenderKind.PERSON, "ann")


def open_at(folder: Path, name: str = "project", **variables: str) -> OpenProject:
    project = folder / name
    project.mkdir(exist_ok=True)
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "ATTRACTOR_STATE_DIR": str(folder / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(folder),
        **variables,
    }
    return open_project(project, environ)


def actor_in(
    opened: OpenProject, name: str = "helper", *, backend: str = "simulate", **more: Any
) -> ActorFolder:
    """Return a new actor whose runs are simulated; it has no message and no process."""
    project = here(opened)
    actor = Actor(
        name=name,
        spawner=ANN,
        created=SystemClock().now(),
        backend=backend,
        workspace="none",
        sandbox="none",
    )
    return create_actor(replace(actor, **more), project, opened.project.machine.state_dir)


def send_to(folder: ActorFolder, opened: OpenProject, text: str, sender: Sender = ANN) -> Message:
    """Store a message, and start no process."""
    machine = opened.project.machine
    inbox = Inbox(folder.inbox)
    return inbox.send(text, sender, clock=machine.clock, randomness=machine.randomness)


def settler(opened: OpenProject) -> Settler:
    """Return a person who settles rows without orders to runs."""
    return Settler(ANN, opened, print, print, lambda run: "", lambda run, question, answer: "")
