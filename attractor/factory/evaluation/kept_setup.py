"""The setup of a suite in an evaluation: executed once, kept for its trials, also after a crash."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.files import make_private_folder
from attractor.factory.history.trials import TrialLog
from attractor.scenarios.suite import SuiteSettings
from attractor.scenarios.suite_setup import SetupResult, hash_kept
from attractor.workspaces.folders import remove_folder
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.run_store import STORES

if TYPE_CHECKING:
    from attractor.factory.evaluation.trial_player import SetUp

_BUILT = "built"


@dataclass(frozen=True)
class KeptSetup:
    """What the setup of a suite left, in the store of a run until the evaluation has ended.

    If the process dies in a setup, the next one executes it again, because the candidate has not
    seen a scenario; but only `infra_retries` times, because it may be the candidate that kills it.
    """

    log: TrialLog
    state: Path
    settings: SuiteSettings
    tell: Callable[[str], None]

    @property
    def folder(self) -> Path:
        """The folder with what the setup left."""
        evaluation_id = self.log.evaluation_id
        return self.state / STORES / evaluation_id.run_id / _BUILT / str(evaluation_id.number)

    @asynccontextmanager
    async def keep(self, set_up: "SetUp") -> AsyncGenerator[tuple[Path, SetupResult]]:
        """Yield what the setup left; execute the setup unless it has ended in this evaluation."""
        done = self.log.setup()
        if done is None:
            done = await self._execute(set_up)
            self.log.setup_completed(done)
        elif not done.failure:
            await self._verify(done)
        yield self.folder, done

    async def _execute(self, set_up: "SetUp") -> SetupResult:
        starts = self.log.setup_starts()
        if starts > self.settings.trials.infra_retries:
            failure = "its process died, and infra_retries allows no further start"
            return SetupResult(failure=failure, starts=starts)
        again = f" again, after its process died {starts} times" if starts else ""
        self.tell(f"The setup of the suite runs once, for all trials{again}.")
        await self.remove()
        make_private_folder(self.folder)
        done = await set_up(self.folder, self.log.setup_started)
        return replace(done, starts=starts + 1)

    async def _verify(self, done: SetupResult) -> None:
        is_kept = self.folder.is_dir()
        if not is_kept or await hash_kept(self.folder, self.settings.setup) != done.tree:
            raise VerificationError(
                f"{'changed' if is_kept else 'missing'} build of the evaluation in {self.folder}",
                hint="restore it from a backup, or start a new run",
            )

    async def remove(self) -> None:
        """Remove what the setup left."""
        await in_thread(lambda: remove_folder(self.folder))
