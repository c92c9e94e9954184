"""Says who gives an order, and how they prove it."""

import getpass

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.cli.invocation import Invocation

TOKEN_VARIABLE = "ATTRACTOR_TOKEN"
DECIDE = "decide"


@dataclass(frozen=True)
class Operator:
    """Somebody, and how they proved who they are."""

    name: str
    proof: str


def operator_name(invocation: Invocation) -> str:
    """Return the name of whoever calls."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody without a name"


def prove_operator(invocation: Invocation, *, sandboxed: bool) -> Operator:
    """Return who decides: the holder of a token, else the person at the terminal.

    A terminal proves nothing when tools ran unguarded: an agent could have opened one.
    """
    secret = invocation.environ.get(TOKEN_VARIABLE, "")
    if secret:
        from attractor.factory.tokens import Tokens

        tokens = Tokens(invocation.configuration.settings.state_dir)
        return Operator(tokens.holder(secret, DECIDE), "token")
    if invocation.has_terminal and sandboxed:
        return Operator(operator_name(invocation), "terminal")
    why = "the run had no verified sandbox" if invocation.has_terminal else "there is no terminal"
    raise UsageError(
        f"nothing proves who decides: {why}",
        hint=f"make a token with 'attractor token create' and set {TOKEN_VARIABLE}",
    )
