"""Plays train scenarios for stages of a run."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial

from attractor.base.errors import UnknownName, UsageError
from attractor.engine.seams import PlayedTrain, TrainChoice, Workspace
from attractor.engine.state.attempts import TreeId
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import Scenario, Suite


async def play_train(
    sealed: SealedSuite | None,
    plan: RunPlan,
    workspace: Workspace,
    tree: TreeId,
    choice: TrainChoice,
) -> AsyncIterator[PlayedTrain]:
    """Play train scenarios of a suite on a tree, in the same sandbox as the stages."""
    scope = plan.scope
    if sealed is None:
        raise UsageError("the run has no suite", hint="pass --suite, or set suite on the node")
    chosen = choose_train(sealed.suite, choice)
    # It imports httpx, which only trials need.
    from attractor.factory.evaluation.trial_player import judge_of, trial_player

    export = partial(workspace.export, tree, repository=True)
    base = partial(workspace.export, workspace.base.candidate, repository=True)
    async with (
        judge_of(sealed.suite, scope) as ask_judge,
        trial_player(export, plan.sandbox, sealed, scope, base=base) as player,
    ):
        player = replace(player, ask_judge=ask_judge)
        for scenario in chosen:
            tried = await player.play_once(scenario)
            yield PlayedTrain(scenario.id, tried.is_satisfied, "\n".join(tried.lines()))


def choose_train(suite: Suite, choice: TrainChoice) -> Sequence[Scenario]:
    """Return the chosen train scenarios; an id of a holdout is as unknown as any other."""
    train = suite.of_split("train")
    ids = {one.id: one for one in train}
    tags = {tag for one in train for tag in one.tags}
    for kind, names, known in (("scenario", choice.ids, ids), ("tag", choice.tags, tags)):
        for name in names:
            if name not in known:
                raise UnknownName(f"train {kind}", name, sorted(known))
    if not train:
        raise UsageError(
            f"the suite {suite.settings.name} has no train scenario", hint="add one to train/"
        )
    is_all = not choice.ids and not choice.tags
    return [
        one
        for one in train
        if is_all or one.id in choice.ids or not set(choice.tags).isdisjoint(one.tags)
    ]
