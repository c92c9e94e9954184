"""The stacks of generated apps, one file each."""
