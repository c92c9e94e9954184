"""A stage while it is executed: its folder, its handler, its patch."""
