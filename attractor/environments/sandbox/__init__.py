"""Tools in a bubblewrap sandbox."""
