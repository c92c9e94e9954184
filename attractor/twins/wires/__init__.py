"""The wires a provider twin speaks, one file each."""
