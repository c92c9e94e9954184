"""Plays train scenarios for stages of a run."""

from collections.abc import AsyncIterator, Sequence

from attractor.base.errors import UnknownName, UsageError
from attractor.engine.seams import PlayedTrain, PlayTrain, TrainChoice, Workspace
from attractor.engine.state.attempts import TreeId
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.pipeline.components.run_components import PreparedRun
from attractor.scenarios.evaluation import TrialKey
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import Scenario, Suite
from attractor.scenarios.tried import TriedScenario
from attractor.workspaces.folders import borrowed_folder, workspaces_folder


def train_player(evaluator: Evaluator, prepared: PreparedRun) -> PlayTrain:
    """Return the function that plays train scenarios in sandboxes as those of the stages."""

    async def play(
        workspace: Workspace, tree: TreeId, choice: TrainChoice
    ) -> AsyncIterator[PlayedTrain]:
        sealed = _sealed(evaluator, prepared, choice.suite)
        chosen = choose_train(sealed.suite, choice)
        # They import httpx, which only trials need.
        from attractor.factory.evaluation.trial_player import judge_of
        from attractor.scenarios.play import ScenarioPlayer

        settings = sealed.suite.settings
        make, clock = prepared.sandbox.make, prepared.host.clock
        player = ScenarioPlayer(settings, sealed.folder, make, clock)
        async with judge_of(sealed.suite, prepared.host) as judge:
            for scenario in chosen:
                seed = TrialKey(scenario.id, 1).seed(settings.trials.seed)
                with borrowed_folder(workspaces_folder(evaluator.state_dir)) as folder:
                    await workspace.export(tree, folder, repository=True)
                    played = await player.play(scenario, folder, seed=seed, ask_judge=judge)
                tried = TriedScenario(scenario, played)
                yield PlayedTrain(scenario.id, tried.is_satisfied, "\n".join(tried.lines()))

    return play


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


def _sealed(evaluator: Evaluator, prepared: PreparedRun, reference: str) -> SealedSuite:
    """Return the suite that a stage names, or the suite that the run pinned."""
    stores = evaluator.stores
    pinned = stores.pin_suite(reference) if reference else prepared.request.suite
    sealed = stores.suite(pinned)
    if sealed is None:
        raise UsageError("the run has no suite", hint="pass --suite, or set suite on the node")
    return sealed
