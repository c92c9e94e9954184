"""The texts of the first files of an app, and examples that are shipped with the package."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import read_file
from attractor.factory.registration.first_suite import toml_text
from attractor.growth.apps.services import shipped_twins
from attractor.growth.building import shipped_example
from attractor.growth.crew.drafts import PACKAGES, Draft, read_drafts, scenario_text
from attractor.growth.normalize.reading import Given, read_given
from attractor.growth.tools import adapters
from attractor.scenarios.suite_files import SCENARIO_END

PROFILE = "local"
SUITES = "scenarios"
TWINS = Path(SUITES, "_twins")
SETTINGS = "attractor.toml"
IGNORED = ("/runs/", f"/{PACKAGES}/")
_FOLDER = Path(__file__).parent
_PLACEHOLDER = re.compile(r"\b(CANARY|HASH|MUSTS|NAME|TWINS)\b")


@dataclass(frozen=True)
class FirstApp:
    """What a person gives for an app: its name, what it is for, and scenarios of a suite.

    `given` is a document or desires, and more desires. `train` is shown to agents, `holdouts` are
    not. A script answers in the place of the models of an `example`.
    """

    name: str
    given: Sequence[Given]
    development: str
    train: Sequence[Draft] = ()
    holdouts: Sequence[Draft] = ()
    example: str = ""


def own_app(name: str, given: Sequence[Given]) -> FirstApp:
    """Return an app of a person, whose suite has the scenarios that every app needs."""
    return FirstApp(name, given, (_FOLDER / "development.toml").read_text("utf-8"))


def example_app(example: str, name: str) -> FirstApp:
    """Return an example that is shipped with the package, with a suite and a script."""
    folder = shipped_example(example)
    texts = {one: read_file(folder / one).decode() for one in ("spec.yaml", "desires.json")}
    return FirstApp(
        name,
        [read_given(text, source=source) for source, text in texts.items()],
        read_file(folder / "development.toml").decode(),
        read_drafts(folder / "drafts.json"),
        read_drafts(folder / "holdouts.json"),
        example,
    )


def settings_text(suite: str, profile: str, provider: str = "", model: str = "") -> str:
    """Return the settings of the repository of an app."""
    text = (
        f"[factory]\nsuite = {toml_text(suite)}\nprofile = {toml_text(profile)}\n\n"
        f'[workspace]\ncarry_read_only = ["{PACKAGES}"]\n'
    )
    if provider:
        text += f"\n[llm]\nprovider = {toml_text(provider)}\nmodel = {toml_text(model)}\n"
    return text


def twin_texts() -> Mapping[Path, str]:
    """Return the files of the twins of all services that an app may call one day."""
    return {
        TWINS / name / file.name: read_file(file).decode()
        for name in adapters()
        for file in sorted((shipped_twins() / name).iterdir())
        if file.suffix in (".toml", ".py")
    }


def suite_texts(app: FirstApp, identity: str, canary: str) -> Mapping[Path, str]:
    """Return the files of the suite of an app whose identity has this hash."""
    folder, holdout = Path(SUITES, app.name), Path("holdout")
    templates = {
        file.relative_to(_FOLDER / "suite"): file.read_text("utf-8")
        for file in sorted((_FOLDER / "suite").rglob("*.toml"))
    }
    hidden = {
        holdout / f"{one.id}{SCENARIO_END}": f"# {canary}\n{scenario_text(one, baseline='fail')}"
        for one in app.holdouts
    }
    train = {Path("train", f"{one.id}{SCENARIO_END}"): scenario_text(one) for one in app.train}
    musts = sorted(
        one.name.removesuffix(SCENARIO_END)
        for one in (*templates, *hidden)
        if one.parent == holdout
    )
    twins = "\n".join(f'[[twins]]\nname = "{name}"\n' for name in adapters())
    values = {"CANARY": canary, "HASH": identity, "MUSTS": json.dumps(musts), "NAME": app.name}
    values["TWINS"] = twins.rstrip()
    filled = {
        path: _PLACEHOLDER.sub(lambda found: values[found[0]], text)
        for path, text in templates.items()
    }
    return {folder / path: text for path, text in (filled | hidden | train).items()}
