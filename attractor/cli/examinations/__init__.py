"""One file for each thing `attractor doctor` looks at."""
