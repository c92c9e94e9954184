"""The policy that a profile gives a run: sandbox, models and the limit of costs.

The rules of the gate read the policy of a profile themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.budgets import Budgets
from attractor.engine.questions.call_rules import CallPermissions, PermissionMode
from attractor.factory.errors import InvalidProfile
from attractor.factory.resources.profiles import Profile
from attractor.factory.resources.protected_paths import PROTECTED
from attractor.language.graph.graph import Graph, Node
from attractor.language.source.syntax_tree import Attributes
from attractor.pipeline.plan.run_plan import Policy
from attractor.pipeline.project.project import Project


def policy_of_profile(profile: Profile, project: Project) -> Policy:
    """Return what a profile allows and demands of a run."""
    if profile.policy.twins == "twin":
        _require_twins(profile, project)
    return Policy(
        readable=tuple(_existing(profile, project)),
        passed_variables=profile.sandbox.pass_env,
        sandbox_env=profile.sandbox.env,
        carry=profile.sandbox.carry,
        transforms=[ProfileModels(profile.models)] if profile.models else [],
        budgets=Budgets(cost_usd=profile.policy.max_cost_usd),
        asks_providers=profile.policy.ask_providers,
        permissions=CallPermissions(
            PermissionMode(profile.policy.permissions),
            profile.policy.allow_calls,
            profile.policy.deny_calls,
        ),
    )


def _existing(profile: Profile, project: Project) -> Iterator[Path]:
    """Yield the paths that a profile shows in the sandbox; refuse a path that does not exist."""
    for key, paths in (("read", profile.sandbox.read), ("expose", profile.sandbox.expose)):
        for path in paths:
            full = project.root / project.machine.with_home(path)
            if not full.exists():
                raise InvalidProfile(
                    f"profile {profile.name}: sandbox.{key}: {full} does not exist",
                    hint=f"create it, or remove it: attractor profile update {profile.name}.toml",
                )
            yield full


def _require_twins(profile: Profile, project: Project) -> None:
    """Refuse real model providers: each one with a key must have the URL of a twin."""
    # Imported here, because few profiles need it.
    from attractor.twins.exchange.wire import wire_registry

    for wire in wire_registry().values():
        *urls, key = wire.variables
        if project.machine.environ.get(key) and not any(
            _is_here(project.machine.environ.get(url, "")) for url in urls
        ):
            raise InvalidProfile(
                f"profile {profile.name}: policy.twins: {key} is set, and {urls[0]} names no twin "
                "on this machine",
                hint=f"start a twin: attractor twin llm, or unset {key}",
            )


def _is_here(url: str) -> bool:
    """Return whether a URL names a loopback address."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class ProfileModels:
    """Sets the models of nodes by their classes, whatever the pipeline says."""

    models: Mapping[str, str]

    def apply(self, graph: Graph) -> Graph:
        """Return the graph with the models of the profile."""
        nodes = {node.id: self._with_model(node) for node in graph.nodes.values()}
        return replace(graph, nodes=nodes)

    def _with_model(self, node: Node) -> Node:
        chosen: Sequence[str] = [self.models[one] for one in node.classes if one in self.models]
        if not chosen:
            return node
        provider, _, model = chosen[-1].rpartition("/")
        # Without a provider, the name of the model decides.
        set_now = {"llm_model": model, **({"llm_provider": provider} if provider else {})}
        kept = {key: one for key, one in node.attributes.by_key.items() if key != "llm_provider"}
        return replace(node, attributes=Attributes({**kept, **Attributes.of(set_now).by_key}))


def effective_record(profile: Profile) -> dict[str, Json]:
    """Return the JSON record of a profile, with the paths that every profile protects."""
    paths = list[Json]([*PROTECTED, *profile.policy.protected_paths])
    policy: dict[str, Json] = profile.policy.to_record()
    policy["protected_paths"] = paths
    return {**profile.to_record(), "policy": policy}
