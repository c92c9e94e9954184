"""People write while supervisor, app, deployment and machine are killed: `attractor up` helps.

No record is lost or double, and the app answers again within seconds.
"""

import http.client
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from attractor.growth.plans.plan import Plan
from attractor.worlds.apps import AppStarter
from tests.counts import count
from tests.growth.deployment.life import live
from tests.growth.deployment.living import Living, make_released
from tests.growth.deployment.test_killed_deployments import ANY, CALLS
from tests.growth.deployment.test_resting_app import Writer
from tests.growth.deployment.test_up import brought_up, kill_app, kill_supervisor, reboot
from tests.patience import wait_until

KILLS = count(ci=3, full=30)
"""How often each of them is killed."""
LONGEST_S = count(ci=60.0, full=10.0)
WRITERS = 3
LATER = ("", "later")


@dataclass
class PatientWriter(Writer):
    """Sends a record again until it is stored: its answer may have been lost with the app."""

    app: Living = field(kw_only=True)

    def write(self, ended: threading.Event) -> None:
        """Write until an event."""
        while not ended.wait(0.01):
            try:
                status, _ = self.send(self.next_id)
            except (OSError, http.client.HTTPException):
                # Another program may have got the port meanwhile.
                self.port = int(self.app.url.rpartition(":")[2])
                continue
            if status in (201, 409):
                self.written.append(self.next_id)
            elif status != 503:
                self.faults.append(f"{self.next_id}: {status}")


@contextmanager
def writing(app: Living) -> Generator[list[PatientWriter]]:
    """Let people write during a block."""
    port, ended = int(app.url.rpartition(":")[2]), threading.Event()
    made = [PatientWriter(f"w{number}", port, app=app) for number in range(WRITERS)]
    threads = [threading.Thread(target=one.write, args=[ended]) for one in made]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        ended.set()
        for thread in threads:
            thread.join()


class Deployments:
    """Deployments that are killed, one plan after the other."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._plan: Plan | None = None
        self.killed = self.deployed = 0

    def kill(self, app: Living) -> None:
        """Kill a deployment after its decision, at a random moment; finished ones do not count."""
        before = self.killed
        while self.killed == before:
            if self._plan is None:
                morph = {"type": "set_preference", "name": f"Wish {self.deployed}"}
                self._plan = app.plan(morph)
                app.decide(app.deploy(self._plan).run_id)
            self._go_on(app, ANY, str(self._dice.randint(1, CALLS)), self._dice.choice(LATER))

    def finish(self, app: Living) -> None:
        """Deploy the last plan."""
        if self._plan:
            self._go_on(app)

    def _go_on(self, app: Living, *moment: str) -> None:
        assert self._plan
        code = live(app, self._plan, *moment)
        assert code in (0, -signal.SIGKILL), code
        self.killed += code != 0
        if code == 0:
            self.deployed, self._plan = self.deployed + 1, None


def require_records(app: Living, writers: list[PatientWriter]) -> None:
    """Require each written record once, and of others only those whose answer is not known yet."""
    wanted = {"b1", *(id_ for one in writers for id_ in one.written)}
    found = [str(one["id"]) for one in app.records()]
    assert len(found) == len({*found})
    assert wanted <= {*found}


@pytest.mark.crash
def test_app_answers_after_kills_at_random_moments_of_writing(tmp_path: Path) -> None:
    app, dice = make_released(tmp_path / "app", is_generated=True), seeded()
    starter = AppStarter(app.plane.project.machine.state_dir, os.environ)
    deployments = Deployments(dice)
    victims: list[Callable[[Living], None]] = [
        *(kill_supervisor, kill_app, deployments.kill, reboot)
    ]
    try:
        app.start(os.environ)
        with writing(app) as writers:
            for _ in range(KILLS):
                for kill in dice.sample(victims, len(victims)):
                    time.sleep(dice.uniform(0, 0.3))
                    kill(app)
                    wait_until(lambda: brought_up(app, starter))
                    require_records(app, writers)
            deployments.finish(app)
        assert deployments.killed == KILLS
        assert [fault for one in writers for fault in one.faults] == []
        assert all(len(one.written) > KILLS for one in writers)
        require_records(app, writers)
        in_doubt = {one.next_id for one in writers}
        known = {"b1", *(id_ for one in writers for id_ in one.written)}
        assert {str(one["id"]) for one in app.records()} - known <= in_doubt
    finally:
        with suppress(OSError):
            app.stop()


def seeded() -> random.Random:
    """Return the random numbers of a run: `SEED` repeats one."""
    return random.Random(os.environ.get("SEED", "killed apps"))
