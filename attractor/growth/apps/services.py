"""The services that the adapters of an app call: twins, or the services of the settings.

Builds and rehearsals start twins; a released app calls the services of `growth.adapters`.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from attractor.base.errors import Refused
from attractor.growth.apps.routes import hooks, service_operations
from attractor.growth.specification.files import read_spec
from attractor.growth.tools import ADAPTERS, CLIENT, adapters

# The supervisor and the service of a released app do not need the rest, which is slow to import.
if TYPE_CHECKING:
    from attractor.config.settings import HookSettings, ServiceSettings
    from attractor.pipeline.project.project import Project

Services = Callable[[Path, int], AbstractAsyncContextManager[Mapping[str, str]]]
"""Yields the addresses and tokens of the services of the app of a tree as variables during a block.
The number is a seed.
"""

_PACKAGE = Path(__file__).parents[1]
_NOT_ADAPTERS = frozenset({"__init__", CLIENT})


def adapters_in(tree: Path) -> Sequence[str]:
    """Return the names of the adapters, shipped and declared, that the app in a tree uses."""
    files = {file.stem for file in (tree / ADAPTERS).glob("*.py")}
    found = files & adapters().keys()
    if files - found - _NOT_ADAPTERS:
        sources = read_spec(tree).of_kind("source")
        found |= files & {one.id for one in sources if one.contained}
    return sorted(found)


def service_twins(project: Path | None = None) -> Services:
    """Return fresh twins, one for each adapter of an app.

    Twins in `scenarios/_twins/` of a project take the place of the shipped ones. A declared adapter
    without a twin gets one with made-up answers: see `made_up_services`.
    """
    # Imported here, because a released app has no twins.
    from attractor.growth.apps.twin_draft import twin_text
    from attractor.twins.services.service import load_service, parse_service
    from attractor.twins.services.service_twin import ServiceTwin

    @asynccontextmanager
    async def start(tree: Path, seed: int) -> AsyncGenerator[Mapping[str, str]]:
        variables: dict[str, str] = {}
        async with AsyncExitStack() as stack:
            for name in adapters_in(tree):
                if folder := _twin_of(name, project):
                    service = load_service(folder)
                else:
                    operations = service_operations(read_spec(tree), name)
                    service = parse_service(twin_text(name, operations))
                twin = ServiceTwin(service, seed=service.table.seed + seed)
                variables |= (await stack.enter_async_context(twin)).environ()
            yield variables

    return start


def made_up_services(tree: Path, project: Path | None) -> Sequence[str]:
    """Return the services of the app in a tree that have no twin: their answers are made up."""
    return [name for name in adapters_in(tree) if _twin_of(name, project) is None]


def _twin_of(name: str, project: Path | None) -> Path | None:
    """Return the folder of the twin of a service: that of the project, or the shipped one."""
    own = [project / "scenarios" / "_twins"] if project else []
    folders = [folder / name for folder in (*own, shipped_twins())]
    return next((folder for folder in folders if folder.is_dir()), None)


def shipped_twins() -> Path:
    """Return the folder of the shipped twins, which in a wheel lies in this package."""
    wheel = _PACKAGE / "_twins"
    return wheel if wheel.is_dir() else _PACKAGE.parents[1] / "scenarios" / "_twins"


@asynccontextmanager
async def no_services(tree: Path, seed: int) -> AsyncGenerator[Mapping[str, str]]:
    """Yield no variables: an app with adapters does not start."""
    yield {}


def configured(project: "Project", names: Iterable[str]) -> Mapping[str, str]:
    """Return the variables of adapters by the settings; refuse one without a URL or a token.

    A service of mail needs a sender, but not always a token.
    """
    known: Mapping[str, ServiceSettings] = project.growth.adapters if project.growth else {}
    variables: dict[str, str] = {}
    for name in names:
        service = known.get(name)
        token = service.token.get_secret_value() if service else ""
        is_mail = sends_by_smtp(name)
        values = {"url": service.url if service else ""}
        values |= {"sender": service.sender if service else ""} if is_mail else {"token": token}
        for key, value in values.items():
            if not value:
                fault = f"the app calls {name}, and growth.adapters.{name}.{key} is not set"
                raise Refused(fault, hint=_remedy(name, key))
        if values["url"].startswith("smtp") != is_mail:
            schemes = "smtp:// or smtps://" if is_mail else "https:// or http://"
            fault = f"growth.adapters.{name}.url does not begin with {schemes}"
            raise Refused(fault, hint=_remedy(name, "url"))
        if is_mail and token and ":" not in token:
            fault = f"growth.adapters.{name}.token is not USER:PASSWORD"
            raise Refused(fault, hint=_remedy(name, "token"))
        if is_mail:
            # An app without a gateway sends by itself, and knows two variables of a service.
            sender = urlencode({"sender": values["sender"]}, safe="@")
            values = {"url": f"{values['url']}?{sender}", "token": token or ":"}
        variables |= {f"{name.upper()}_{key.upper()}": value for key, value in values.items()}
    return variables


def _remedy(name: str, key: str) -> str:
    variable = f"ATTRACTOR_GROWTH__ADAPTERS__{name.upper()}__{key.upper()}"
    # The settings file belongs to the repository: no place for a token.
    return f"{'' if key == 'token' else 'set it in attractor.toml, or '}set {variable}"


def sends_by_smtp(name: str) -> bool:
    """Return whether the service of an adapter is a server of mail."""
    # A declared adapter is always one of HTTP.
    return any(one.transport for one in adapters().get(name, {}).values())


def settings_for(project: "Project", tree: Path) -> Mapping[str, str]:
    """Return the variables of the adapters of an app, and of its hooks that have a secret."""
    known: Mapping[str, HookSettings] = project.growth.hooks if project.growth else {}
    secrets = {_variable(name): one.secret.get_secret_value() for name, one in known.items()}
    own = {one: secrets[one] for one in hook_variables(tree) if secrets.get(one)}
    return {**configured(project, adapters_in(tree)), **own}


def hook_variables(tree: Path) -> Sequence[str]:
    """Return the variable of the secret of each hook of an app."""
    return [_variable(one.id) for one in hooks(read_spec(tree))]


def _variable(hook: str) -> str:
    return f"HOOK_{hook.upper()}_SECRET"


def configured_urls(project: "Project", names: Iterable[str]) -> dict[str, str]:
    """Return the URL of the service of each adapter by the settings (default: "")."""
    known: Mapping[str, ServiceSettings] = project.growth.adapters if project.growth else {}
    return {name: known[name].url if name in known else "" for name in names}


def variables_in(environ: Mapping[str, str], tree: Path) -> dict[str, str]:
    """Return the variables of the adapters and hooks of an app."""
    wanted = [f"{name.upper()}_{key}" for name in adapters_in(tree) for key in ("URL", "TOKEN")]
    wanted += hook_variables(tree)
    return {one: environ[one] for one in wanted if one in environ}


def urls_in(environ: Mapping[str, str], tree: Path) -> dict[str, str]:
    """Return the URL of the service of each adapter of an app."""
    return {name: environ.get(f"{name.upper()}_URL", "") for name in adapters_in(tree)}
