"""The context that a prompt carries: fidelity, preamble, templates."""
