"""One stage at work: its folder, its handler, its patch."""
