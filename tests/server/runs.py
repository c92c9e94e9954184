"""Runs that a client starts over HTTP."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.patience import wait_until

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
GATE = f"""digraph gate {{ graph [goal="Ship"]; {ENDS}
    build [shape=parallelogram, tool_command="echo built"]
    ask   [shape=hexagon, label="Ship it?"]
    ship  [shape=parallelogram, tool_command="echo shipped"]
    start -> build -> ask
    ask -> ship  [label="[S] Ship"]
    ask -> build [label="[A] Again"]
    ship -> exit }}
"""
UNTIL_GO = "timeout 300 sh -c 'until [ -e go ]; do sleep 0.05; done'"
WAITING = f"""digraph waiting {{ {ENDS}
    wait [shape=parallelogram, tool_command="{UNTIL_GO}"]
    last [shape=parallelogram, tool_command="true"]
    start -> wait -> last -> exit }}
"""
BRANCHES = f"""digraph branches {{ {ENDS}
    fork [shape=component]
    ask  [shape=hexagon, label="Ship it?"]
    wait [shape=parallelogram, tool_command="{UNTIL_GO}"]
    ship [shape=parallelogram, tool_command="echo shipped"]
    meet [shape=tripleoctagon]
    start -> fork
    fork -> ask
    fork -> wait -> meet
    ask -> ship [label="[S] Ship"]
    ship -> meet
    meet -> exit }}
"""
UNGUARDED = {"sandbox": "none", "workspace": "none"}


def start(client: httpx.Client, source: str, **fields: object) -> str:
    """Start a run in the project's folder; return its id."""
    answer = client.post("/pipelines", json={"source": source, **UNGUARDED, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def await_status(
    client: httpx.Client, run: str, is_reached: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Wait for a state of a run, and return its status."""
    address = f"/pipelines/{run}"
    wait_until(lambda: is_reached(client.get(address).json()), lambda: client.get(address).json())
    return client.get(address).json()


def await_rest(client: httpx.Client, run: str) -> dict[str, Any]:
    """Wait until no process works on a run, and return its status."""
    return await_status(client, run, lambda status: not status["live"])
