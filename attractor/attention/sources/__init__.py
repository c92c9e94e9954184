"""One file for each kind of thing that needs a person."""
