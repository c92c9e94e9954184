"""Fake branches, each with a given end."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from attractor.engine.outcome import StageStatus
from attractor.engine.state.walks import Branch, BranchEnd, canceled_branch
from attractor.language.graph.branches import Fork

SUCCESS, PARTIAL, FAIL = StageStatus.SUCCESS, StageStatus.PARTIAL_SUCCESS, StageStatus.FAIL
MEETING = Fork("it", "join", {}, ())


class Never:
    """Marks a branch that never ends."""


NEVER = Never()
Given = StageStatus | BranchEnd | BaseException | Never


@dataclass
class GivenBranches:
    """Ends each branch as given: with a status, with an exception, or never (default: success).

    Branches with the same number of `turns` end together; branches with fewer turns end earlier.
    """

    ends: Mapping[str, Given] = field(default_factory=dict[str, Given])
    turns: Mapping[str, int] = field(default_factory=dict[str, int])
    fork: Fork | None = None
    at_once: int | None = None
    walked: list[Branch] = field(default_factory=list[Branch])
    given_up: list[str] = field(default_factory=list[str])
    isolated: list[bool] = field(default_factory=list[bool])
    walking: int = 0
    most_walking: int = 0
    known: dict[str, BranchEnd] = field(default_factory=dict[str, BranchEnd])

    async def walk(self, branch: Branch, *, isolated: bool) -> BranchEnd:
        if branch.name in self.known:
            return self.known[branch.name]
        self.walked.append(branch)
        self.isolated.append(isolated)
        self.walking += 1
        self.most_walking = max(self.most_walking, self.walking)
        try:
            for _ in range(self.turns.get(branch.name, 1)):
                await asyncio.sleep(0)
            self.known[branch.name] = await self._end(branch)
        finally:
            self.walking -= 1
        return self.known[branch.name]

    async def give_up(self, branch: Branch) -> BranchEnd:
        if branch.name in self.known:
            return self.known[branch.name]
        self.given_up.append(branch.name)
        return canceled_branch(branch, branch.name)

    async def give_up_rest(self) -> None: ...

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.walked]

    async def _end(self, branch: Branch) -> BranchEnd:
        end = self.ends.get(branch.name, SUCCESS)
        if isinstance(end, BaseException):
            raise end
        if isinstance(end, BranchEnd):
            return end
        if isinstance(end, Never):
            await asyncio.Event().wait()
        status = end if isinstance(end, StageStatus) else FAIL
        reason = "" if status.is_success else f"{branch.name} is broken"
        return BranchEnd(branch.name, branch.name, status, reason)
