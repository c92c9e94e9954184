"""Plays scenarios in environments of their own: fixtures, setup, steps and checks."""

import asyncio
import os
import shlex
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path, PurePosixPath

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import FileUnusable
from attractor.scenarios.candidate_tree import FileState, changed_paths, read_tree
from attractor.scenarios.captures import Captures, NothingTaken
from attractor.scenarios.carried_paths import variables_of_trials
from attractor.scenarios.check import (
    EARLY_END,
    AskJudge,
    CheckPhase,
    CheckResult,
    Observation,
    Probe,
    StepRecord,
    TrialUsage,
    TwinRequests,
    build_checks,
    check_registry,
    check_result,
    is_accepted,
    judge_phase,
    meets,
    no_change,
    no_judge,
)
from attractor.scenarios.evaluation import Attribution
from attractor.scenarios.http_request import RequestFailed, send_request, send_several
from attractor.scenarios.played import PlayedScenario
from attractor.scenarios.services import Services
from attractor.scenarios.stored_state import copy_state, failed_base
from attractor.scenarios.suite import (
    EDITION,
    CommandStep,
    KillStep,
    ProbeStep,
    ReceivedStep,
    RequestStep,
    RestartStep,
    Scenario,
    ServiceStep,
    Step,
    SuiteSettings,
    is_of_base,
)
from attractor.scenarios.suite_files import CHECKS, FIXTURES, list_suite_files, read_suite_file
from attractor.scenarios.suite_setup import last_line, run_commands, run_suite_setup
from attractor.scenarios.trial_twins import start_twins
from attractor.scenarios.verifier import (
    make_probe,
    make_verify,
    program_verdict,
    separate_environment,
    started,
)
from attractor.scenarios.wall.crossing import Crossing
from attractor.scenarios.wall.unit_tests import UnitTests
from attractor.scenarios.wall.wall import Wall
from attractor.workspaces.folders import borrowed_folder
from attractor.workspaces.git.files import in_thread

_POLL_S = 0.05


@dataclass(frozen=True)
class ScenarioPlayer:
    """Plays scenarios of a suite; `suite_folder` contains its fixtures, verifiers and twins.

    The candidate has the paths `carried`, read-only ones in environments of `make_showing`
    (default: as `make_environment`). Verifiers and pages have none of them. The setup in `settings`
    is executed first. `failed_setup` is the reason why it failed for all trials. `carry` copies
    carried paths into the folder of tests behind a wall, and `crossing` is what may cross it. With
    `watches`, it is noted how unit tests end, also without a wall. `base` writes the tree before
    the change into an empty folder.
    """

    settings: SuiteSettings
    suite_folder: Path
    make_environment: Callable[[Path], ExecutionEnvironment]
    clock: Clock
    make_showing: Callable[[Path], ExecutionEnvironment] | None = None
    carried: Sequence[str] = ()
    failed_setup: str = ""
    edition: int = EDITION
    carry: Callable[[Path], Awaitable[None]] | None = None
    crossing: Crossing | None = None
    watches: bool = False
    base: Callable[[Path], Awaitable[None]] | None = None

    async def play(
        self,
        scenario: Scenario,
        folder: Path,
        *,
        seed: int = 0,
        ask_judge: AskJudge = no_judge,
        attribution: Attribution | None = None,
    ) -> PlayedScenario:
        """Play a scenario in a folder with a copy of the candidate's tree, and judge it."""
        if self.failed_setup:
            observed = Observation({}, self.make_environment(folder), self.failed_setup)
            return PlayedScenario(scenario, observed, (_ended_early(self.failed_setup),))
        with attribution or Attribution() as attribution:
            return await self._play(scenario, folder, seed, ask_judge, attribution)

    async def _play(
        self,
        scenario: Scenario,
        folder: Path,
        seed: int,
        ask_judge: AskJudge,
        attribution: Attribution,
    ) -> PlayedScenario:
        checks = build_checks(scenario, check_registry())
        timeout, make, captures = self.settings.trials.timeout, self.make_environment, Captures()
        async with AsyncExitStack() as ending:
            enter = ending.enter_async_context
            older = None
            if scenario.needs_base:
                older = await enter(self._older(scenario, folder, seed, captures))
            candidate = await enter(self._begun(scenario, folder, seed, captures, older))
            environment = candidate.environment
            wall = await enter(self._wall(scenario, folder, environment))
            steps = replace(candidate, environment=wall.tests, wall=wall) if wall else candidate
            failure = await self._prepare(scenario, steps, candidate, attribution)
            is_compared = any(check.compares_tree for check in checks)
            changed = await _watch(folder, timeout, self.edition) if is_compared else no_change
            began = self.clock.monotonic()
            records = {} if failure else await steps.run(scenario.steps)
            failure = failure or _failure_of(records, wall)
            observed = Observation(
                steps=records,
                environment=environment,
                failure=failure,
                changed=changed,
                twins=candidate.twins,
                usage=TrialUsage(self.clock.monotonic() - began),
                suite_folder=self.suite_folder,
                edition=self.edition,
                seed=seed,
                crossed=wall.crossed if wall else {},
                unit_tests=wall.unit_tests if wall else UnitTests(),
                timeout=timeout,
                variables=candidate.variables,
                ask_judge=ask_judge,
                probe=candidate.probe,
                verify=make_verify(folder, self.suite_folder, make, timeout, without=self.carried),
                separate=partial(separate_environment, folder, make),
            )
            judge = partial(judge_phase, scenario, checks, observed, timeout)
            results = await judge(CheckPhase.RUNNING)
        for phase in (CheckPhase.STOPPED, CheckPhase.LAST):
            results |= await judge(phase)
        in_order = [results[number] for number in sorted(results)]
        # Otherwise a trial without a single step could satisfy checks such as a missing file.
        if failure:
            in_order.append(_ended_early(failure))
        return PlayedScenario(scenario, observed, tuple(in_order))

    @asynccontextmanager
    async def _begun(
        self,
        scenario: Scenario,
        folder: Path,
        seed: int,
        captures: Captures,
        older: "_Steps | None" = None,
    ) -> AsyncGenerator["_Steps"]:
        """Yield what runs steps in a folder, in an environment and with twins of its own."""
        make, timeout = self.make_environment, self.settings.trials.timeout
        async with started((self.make_showing or make)(folder)) as environment:
            twins = start_twins(
                self.settings.twins, scenario.seed, self.suite_folder, environment, seed=seed
            )
            async with twins as running, AsyncExitStack() as ending:
                services = Services(environment, ending)
                reached = (services, older.services) if older else (services,)
                variables = {**variables_of_trials(self.carried), **running.variables}
                taken, requests = captures.values, running.requests
                probe = make_probe(folder, self.suite_folder, make, timeout, reached, taken)
                yield _Steps(
                    environment, variables, timeout, services, probe, captures, requests, older
                )
            running.require_sound()

    @asynccontextmanager
    async def _older(
        self, scenario: Scenario, folder: Path, seed: int, captures: Captures
    ) -> AsyncGenerator["_Steps"]:
        """Yield what runs steps of the tree before the change."""
        if self.base is None:
            raise MachineryError("no tree before the change")
        with borrowed_folder(folder.parent) as beside:
            await self.base(beside)
            async with self._begun(scenario, beside, seed, captures) as steps:
                if failure := await self._prepare(scenario, steps, steps, Attribution()):
                    raise failed_base(failure)
                yield steps

    @asynccontextmanager
    async def _wall(
        self, scenario: Scenario, folder: Path, room: ExecutionEnvironment
    ) -> AsyncGenerator[Wall | None]:
        """Yield the wall of a scenario that has one; its tests lie in a folder beside the tree."""
        if not scenario.wall:
            wall = Wall(room, room, folder, folder, (), watches=True) if self.watches else None
            if wall:
                wall.prepare()
            yield wall
            return
        with borrowed_folder(folder.parent) as beside:
            if self.carry:
                await self.carry(beside)
            make = self.make_showing or self.make_environment
            async with started(make(beside)) as tests:
                modules, without = scenario.wall, scenario.wall_without
                wall = Wall(tests, room, beside, folder, modules, without, self.watches)
                allowed = self.crossing
                wall.prepare(None if allowed is None else allowed.get(scenario.id, {}))
                yield wall

    async def _prepare(
        self,
        scenario: Scenario,
        steps: "_Steps",
        candidate: "_Steps",
        attribution: Attribution,
    ) -> str:
        """Execute the setups and copy the fixtures; return the reason of a failure, or ""."""
        if self.settings.setup.run:
            attribution.candidate_runs = True
            if failed := await run_suite_setup(
                self.settings.setup, candidate.environment, carried=self.carried
            ):
                return f"the setup of the suite failed: {failed}"
        if failure := await self._copy_fixtures(scenario, steps):
            return failure
        # The setup, such as an installation, can already execute the candidate's code.
        attribution.candidate_runs = True
        setup = partial(candidate.execute, timeout=scenario.setup.timeout)
        failed = await run_commands(scenario.setup.run, setup)
        return str(failed) if failed else ""

    async def _copy_fixtures(self, scenario: Scenario, steps: "_Steps") -> str:
        """Copy the fixtures; return the reason of a failure, or ""."""
        for source, target in fixture_files(self.suite_folder, scenario):
            # Inside, no link leads to the operator.
            parent, file = shlex.quote(str(PurePosixPath(target).parent)), shlex.quote(target)
            mode = 755 if os.access(source, os.X_OK) else 644
            copy = (
                f"mkdir -p -- {parent} && rm -f -- {file} && cat >{file} && chmod {mode} -- {file}"
            )
            result = await steps.execute(copy, read_suite_file(source))
            if result.exit_code != 0:
                return f"the fixture {target} was not copied: {last_line(result.stderr)}"
        return ""


def _failure_of(records: Mapping[str, StepRecord], wall: Wall | None) -> str:
    """Return the reason why the steps ended early, or ""."""
    for record in records.values():
        if record.trouble:
            return f"step {record.name}: {record.trouble}"
    if wall and wall.modules and not wall.has_opened:
        return f"no test imported {' or '.join(wall.modules)}"
    return wall.unit_tests.fault(wall.without) if wall else ""


def _ended_early(failure: str) -> CheckResult:
    """Return the result of a trial whose steps ended early."""
    return check_result(EARLY_END, passed=False, reason=failure, evidence=failure)


async def _watch(
    folder: Path, timeout: timedelta, edition: int
) -> Callable[[], Awaitable[Sequence[str]]]:
    """Read a tree, and return the function that returns the paths that changed since then."""
    read = partial(read_tree, folder, within=timeout, whole=edition >= EDITION)
    before: Mapping[str, FileState] | FileUnusable
    try:
        before = await in_thread(read)
    except FileUnusable as error:  # the check fails, not the trial
        before = error

    async def changed() -> Sequence[str]:
        if isinstance(before, FileUnusable):
            raise before
        return changed_paths(before, await in_thread(read))

    return changed


def fixture_files(suite_folder: Path, scenario: Scenario) -> Iterator[tuple[Path, str]]:
    """Yield each file of the fixtures of a scenario, and its path in the candidate's folder."""
    for fixture in scenario.fixtures:
        source = suite_folder / FIXTURES / fixture.source
        if not source.is_dir():
            yield source, fixture.target
            continue
        for file in list_suite_files(source):
            yield source / file.path, f"{fixture.target}/{file.path}"


@dataclass(frozen=True)
class _Steps:
    """Runs steps, behind a wall or without one."""

    environment: ExecutionEnvironment
    variables: Mapping[str, str]
    timeout: timedelta
    services: Services
    probe: Probe
    captures: Captures
    twins: Mapping[str, TwinRequests]
    older: "_Steps | None" = None
    """Runs the steps of the tree before the change."""
    wall: Wall | None = None
    received: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    """The requests of twins that steps have awaited."""

    async def run(self, steps: Sequence[Step]) -> dict[str, StepRecord]:
        """Run steps up to the first failure; return the records of the steps."""
        records: dict[str, StepRecord] = {}
        for step in steps:
            older = self.older if is_of_base(step) else None
            records[step.name] = found = await (older or self)._run(step)
            if found.trouble and older:
                raise failed_base(f"step {step.name}: {found.trouble}")
            if found.trouble:
                break
        return records

    async def _run(self, step: Step) -> StepRecord:
        match step:
            case CommandStep():
                return await self._run_command(step)
            case ServiceStep():
                return _ready(step.name, await self._start(step))
            case RestartStep():
                return _ready(step.name, await self.services.restart(step.service))
            case KillStep():
                return _ready(step.name, await self.services.restart(step.service, killed=True))
            case ProbeStep():
                return await self._run_probe(step)
            case RequestStep():
                return await self._send_request(step)
            case ReceivedStep():
                return await self._await_request(step)

    async def execute(
        self,
        command: str,
        stdin: bytes = b"",
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: timedelta | None = None,
    ) -> ExecResult:
        """Run a command with the variables of the twins."""
        return await self.environment.exec_command(
            command,
            timeout_ms=round((timeout or self.timeout).total_seconds() * 1000),
            working_dir=cwd,
            env_vars={**self.variables, **(env or {})},
            stdin=stdin,
        )

    async def _start(self, step: ServiceStep) -> str:
        """Start a service, if wanted on the state of the older one; return a failure, or ""."""
        if self.older and step.from_:
            await self.older.services.stop()
            older = self.older.environment
            if failure := await copy_state(older, self.environment, step.state):
                return failure
        variables = {**self.variables, **self.captures.values, **step.env}
        return await self.services.start(step, variables)

    async def _run_command(self, step: CommandStep) -> StepRecord:
        env = {**self.variables, **self.captures.values, **step.env}
        run = partial(
            self.execute, step.run, step.stdin.encode(), cwd=step.cwd, timeout=step.timeout
        )
        trouble = ""
        try:
            if self.wall:
                async with self.wall.open(env, step.cwd):
                    result = await run(env=self.wall.variables(env))
                trouble = self.wall.trouble
            else:
                result = await run(env=env)
        except FileUnusable as error:  # the candidate has no such folder
            return StepRecord(step.name, trouble=str(error))
        return StepRecord(
            step.name,
            exit_code=result.exit_code,
            stdout=result.stdout,
            stderr=result.stderr,
            stdout_omitted=result.stdout_omitted,
            stderr_omitted=result.stderr_omitted,
            timed_out=result.timed_out,
            trouble=trouble,
        )

    async def _run_probe(self, step: ProbeStep) -> StepRecord:
        command = shlex.join([f"{CHECKS}/{step.probe}", *step.args])
        result = await self.probe(command, step.timeout)
        passed, reason = program_verdict(step.probe, result, "probe ")
        return StepRecord(
            step.name,
            exit_code=result.exit_code,
            stdout=result.stdout,
            stderr=result.stderr,
            timed_out=result.timed_out,
            trouble="" if passed else reason,
        )

    async def _send_request(self, step: RequestStep) -> StepRecord:
        filled, trouble = self.captures.fill(step), ""
        if step.repeat > 1:
            timeout = step.timeout or self.timeout
            differs, seconds = await send_several(filled, self.environment, timeout)
            asked = f"{step.repeat} times {step.method} {step.path}"
            trouble = f"{asked}: {differs}" if differs else ""
            return StepRecord(step.name, seconds=seconds, trouble=trouble)
        try:
            answer = await send_request(filled, self.environment, step.timeout or self.timeout)
        except RequestFailed as error:
            return StepRecord(step.name, trouble=f"{step.method} {step.path} failed: {error}")
        try:
            self.captures.take(step, answer)
        except NothingTaken as error:
            trouble = str(error)
        return StepRecord(
            step.name,
            http_status=answer.status,
            headers=answer.headers,
            body=answer.body,
            trouble=trouble,
        )

    async def _await_request(self, step: ReceivedStep) -> StepRecord:
        """Await the first request of a twin that matches, and that no step has awaited."""
        now = asyncio.get_running_loop().time
        latest = now() + step.timeout.total_seconds()
        while True:
            for number, request in enumerate(self.twins[step.received]()):
                is_known = (step.received, number) in self.received
                if is_known or not is_accepted(request) or not meets(request, step):
                    continue
                self.received.add((step.received, number))
                trouble = ""
                try:
                    self.captures.take_received(step, request["body"])
                except NothingTaken as error:
                    trouble = str(error)
                return StepRecord(step.name, trouble=trouble)
            if now() >= latest:
                return StepRecord(step.name, trouble=f"{step.received} received no request {step}")
            await asyncio.sleep(_POLL_S)


def _ready(step: str, trouble: str) -> StepRecord:
    return StepRecord(step, is_ready=not trouble, trouble=trouble)
