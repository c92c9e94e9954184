"""The context in a prompt: fidelity, preamble, templates."""
