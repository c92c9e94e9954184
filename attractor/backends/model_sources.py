"""The ways to models that this machine has: keys, clouds, local servers, and logins of programs.

Nothing is asked over the network, and no library of a provider is loaded.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attractor.backends.accounts import FOLDER, Account, Accounts, AccountTrial, ReachedLimit
from attractor.backends.models import account_of, find_incomplete, find_served, newest_model
from attractor.backends.programs import Program
from attractor.backends.provider_needs import KEYS, has_native_key, provider_of, variables_of
from attractor.backends.typed_command import PROGRAMS
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, MachineryError, UsageError
from attractor.config.logins import LOGINS, AllowedLogins, Login
from attractor.environments.program_files import locate_program

_RUN = "attractor run PIPELINE.dot"
_CLOUDS = ("azure", "azure_ai", "bedrock", "databricks", "vertex_ai", "watsonx")


@dataclass(frozen=True)
class ModelSource:
    """A way to the models of a provider, or of a program's login.

    `kind` is key, cloud, server or login. `set_by` are the variables or the file. `users` are the
    backends that can use it, `absent` those whose program is not installed; a login has no users
    while a key is used in its place. `step` is the line that uses it, or the remedy of `fault`.
    """

    kind: str
    name: str
    set_by: str
    users: tuple[str, ...]
    absent: tuple[str, ...]
    step: str
    fault: str = ""
    trial: AccountTrial | None = None
    limit: ReachedLimit | None = None


@dataclass(frozen=True)
class ModelSources:
    """Finds the ways to models of an operator."""

    state_dir: Path
    environ: Mapping[str, str]

    @property
    def accounts(self) -> Accounts:
        """The accounts of the operator."""
        return Accounts(self.state_dir, self.environ)

    async def find(self) -> list[ModelSource]:
        """Return the ways, first those with a key."""
        faults = await find_incomplete(self.environ)
        others = {*await find_served(self.environ), *faults}
        native = [name for name in KEYS if has_native_key(name, self.environ)]
        by_key = [self._of_provider(name, faults.get(name)) for name in [*native, *sorted(others)]]
        return [*by_key, *filter(None, map(self._of_login, PROGRAMS))]

    def _of_provider(self, name: str, fault: AttractorError | None) -> ModelSource:
        variables = KEYS.get(name) or variables_of(name)
        account = self._account(lambda accounts: account_of(name, accounts))
        trial = account.last_trial() if account else None
        usual = newest_model(name) if name in KEYS else f"{name}/MODEL"
        model = (trial and trial.model) or usual or "MODEL"
        provider = "" if provider_of(model) == name else f" --provider {name}"
        programs = [one for one in PROGRAMS if name in one.providers]
        return ModelSource(
            _kind_of(name, variables),
            name,
            _describe_set(variables, self.environ),
            ("agent", *(one.name for one in programs if self._is_installed(one))),
            tuple(one.name for one in programs if not self._is_installed(one)),
            fault.hint if fault else f"{_RUN}{provider} --model {model}",
            fault.message if fault else "",
            trial,
            account.reached() if account else None,
        )

    def _is_installed(self, program: Program) -> bool:
        return locate_program(program.name, self.environ) is not None

    def _of_login(self, program: Program) -> ModelSource | None:
        place, file = LOGINS.get(program.name), Path(self.environ.get("HOME", "/"), program.login)
        source = place.source(self.environ) if place else str(file) if file.is_file() else ""
        if not source:
            return None
        keys = [
            _describe_set(KEYS[name], self.environ) for name in KEYS if name in program.providers
        ]
        is_replaced, is_installed = all(keys), self._is_installed(program)
        login = AllowedLogins(self.state_dir).usable(self.environ).get(program.name)
        fault = _find_fault(program.name, login) if place and not is_replaced else None
        model = " --model MODEL" if program.needs_model else ""
        sandbox = "" if place else " --sandbox none"
        step = fault.hint if fault else f"{_RUN} --backend {program.name}{model}{sandbox}"
        identity = str(login) if login else program.run
        account = self._account(lambda accounts: accounts.of_program(program.name, identity))
        return ModelSource(
            "login",
            program.name,
            source,
            (program.name,) if is_installed and not is_replaced else (),
            () if is_installed else (program.name,),
            f"unset {keys[0]}" if is_replaced else step,
            fault.message if fault else "",
            account.last_trial() if account else None,
            account.reached() if account else None,
        )

    def _account(self, choose: Callable[[Accounts], Account]) -> Account | None:
        """Return an account if any is known; a state folder is not made."""
        return choose(self.accounts) if (self.state_dir / FOLDER).is_dir() else None


def _find_fault(program: str, login: Login | None) -> AttractorError | None:
    """Return why a program cannot use a login in the sandbox."""
    if login is None:
        hint = f"attractor login allow {program}"
        return UsageError("not allowed in the sandbox", hint=hint)
    try:
        _ = login.token or login.read()
    except AttractorError as error:
        return MachineryError(error.message, hint=login.place.remedy)
    return None


def _kind_of(provider: str, variables: Sequence[str]) -> str:
    if provider in _CLOUDS:
        return "cloud"
    is_server = all(name.endswith(("_API_BASE", "_BASE_URL")) for name in variables)
    return "server" if is_server else "key"


def _describe_set(variables: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the first of some alternatives that is set, or is set in part."""

    def count(names: str) -> float:
        parts = names.split(" and ")
        return sum(bool(environ.get(name, "").strip()) for name in parts) / len(parts)

    best = max(variables, key=count)
    return " and ".join(name for name in best.split(" and ") if environ.get(name, "").strip())
