"""The one door of growth for the command line and the server.

Functions named for an HTTP path return exactly the keys of its answer; the others return what a
command prints with `--json`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attractor.base.json import Json
from attractor.growth.control_plane import ControlPlane
from attractor.growth.desires import UserDesire
from attractor.growth.development import read_development
from attractor.growth.plans.collisions import find_collisions
from attractor.growth.plans.mutation import mutation_text
from attractor.growth.plans.plan import Plan, Proposal
from attractor.growth.plans.planning import make_plan


def plan_proposal(
    control_plane: ControlPlane,
    spec_graph_id: str,
    proposal: Proposal,
    desires: Sequence[UserDesire] = (),
) -> dict[str, Json]:
    """Make a plan of a proposal, without a model; return its id, morphs and tests."""
    plans = control_plane.plans
    base = control_plane.specs.load(spec_graph_id).graph
    development = read_development(control_plane.repository)
    with control_plane.lock():
        plan = make_plan(
            base,
            proposal,
            development,
            desires=desires,
            is_dropped=lambda id_: plans.is_dropped(id_),
        )
        collisions = find_collisions(plan, list(plans.open_plans()), development.identity)
        plans.save(plan, mutation_text(plan, development, collisions))
    return plan_answer(plan)


def plan_answer(plan: Plan) -> dict[str, Json]:
    """Return the answer of `POST /growth/plan`."""
    written: Mapping[str, Any] = plan.proposal.to_dict()
    return {"plan_id": plan.id, "morphs": written["morphs"], "tests": written["tests"]}
