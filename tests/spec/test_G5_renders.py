"""G5: flowchart, mindmap and board as DOT, SVG Mermaid, each node once; the diff."""

import json
import re
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.growth.api import plans, specs
from attractor.growth.control_plane import ControlPlane
from attractor.growth.lineage import next_stage, write_stage
from attractor.growth.plans.plan import read_proposal
from attractor.growth.plans.store import DEPLOYMENT, PlanState
from attractor.growth.specification.rendering import Card, Column, board
from tests.growth.app import PROPOSAL, make_app
from tests.growth.seed import farm

SEED_BOARD = """\
flowchart LR
  subgraph Backlog
    B1[Add contract allocator]
    B2[Map policy to cases]
  end
  subgraph In progress
    I1[PHI gate integration]
  end
  subgraph Review
    R1[Impact queue on home]
  end
  subgraph Done
    D1[Weather derate on forecast]
  end
"""
NODE = {
    "svg": r'<g id="node',
    "dot": r"^ +\S+ \[label=",
    "mermaid": r"^ +(?:root\(\(.*\)\)|\w+\[.*\])$",
}


def test_the_board_of_the_seed_is_reproduced() -> None:
    cards = [
        Card("Add contract allocator", Column.BACKLOG),
        Card("Map policy to cases", Column.BACKLOG),
        Card("PHI gate integration", Column.IN_PROGRESS),
        Card("Impact queue on home", Column.REVIEW),
        Card("Weather derate on forecast", Column.DONE),
    ]
    assert board(cards).mermaid() == SEED_BOARD


def test_each_node_is_drawn_once(tmp_path: Path) -> None:
    plane = make_app(tmp_path / "app")
    for mode in ("flowchart", "mindmap", "board"):
        for format_, pattern in NODE.items():
            answer = specs.render(plane, "HEAD", mode, format_)
            assert list(answer) == ["spec_graph_id", "mode", "format", "diagram"]
            found = re.findall(pattern, str(answer["diagram"]), re.MULTILINE)
            assert len(found) == len(farm()), (mode, format_)
    for mode, format_ in (("kanban", "svg"), ("board", "png")):
        with pytest.raises(UsageError, match="unknown"):
            specs.render(plane, "HEAD", mode, format_)


def test_the_columns_of_a_board_are_the_states_of_plans(tmp_path: Path) -> None:
    plane = make_app(tmp_path / "app")
    made = str(plans.plan_proposal(plane, "HEAD", read_proposal(PROPOSAL))["plan_id"])
    plan = plane.plans.load(made)
    assert columns(plane) == {Column.BACKLOG: set(farm())}
    touched = {"phi_gate", "allocate_to_contracts"}
    write_stage(next_stage([], plan), plane.repository)
    others = set(farm()) - touched
    for state, column in (
        (PlanState.DEPLOYING, Column.IN_PROGRESS),
        (PlanState.PARKED, Column.REVIEW),
    ):
        note(plane, made, state)
        assert columns(plane) == {column: touched, Column.DONE: others}
    note(plane, made, PlanState.DEPLOYED)
    assert columns(plane) == {Column.DONE: set(farm())}


def note(plane: ControlPlane, plan_id: str, state: PlanState) -> None:
    with (plane.plans.folder_of(plan_id) / DEPLOYMENT).open("a") as file:
        file.write(f'{{"state": "{state}"}}\n')


def columns(plane: ControlPlane) -> dict[Column, set[str]]:
    found = specs.columns_of(plane, farm())
    by_column: dict[Column, set[str]] = {}
    for id_ in farm():
        by_column.setdefault(found.get(id_, Column.BACKLOG), set()).add(id_)
    return by_column


def test_difference_names_nodes_fields_and_relations(tmp_path: Path) -> None:
    plane = make_app(tmp_path / "app")
    after = farm(
        ('"sku", ', ""), ('cadence: "nightly"', "cadence: hourly"), ('"PHI gate"\n        - ', "")
    )
    after = after.replace(after["web"].with_fields(name="Browser"))
    other = plane.specs.save(after)
    answer = json.loads(json.dumps(specs.compare(plane, "HEAD", other)))
    assert [one["kind"] for one in answer["changes"]] == [
        *("changed", "changed", "renamed", "removed", "removed")
    ]
    assert [one["text"] for one in answer["changes"]] == [
        "changed step yield_forecast.precedes: phi_gate -> allocate_to_contracts",
        "changed section deployment.cadence: nightly -> hourly",
        "renamed device web: web -> Browser",
        "removed field contract.sku: sku",
        "removed step phi_gate: PHI gate",
    ]
