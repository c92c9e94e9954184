"""Living apps: desires become a specification graph, which changes only by checked morphs."""
