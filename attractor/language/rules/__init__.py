"""One file a rule; its docstring is the page that explains it."""
