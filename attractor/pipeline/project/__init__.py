"""The surroundings of a run: folders, variables, clock, people, custom parts."""
