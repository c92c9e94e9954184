"""The wires of a provider twin, one file each."""
