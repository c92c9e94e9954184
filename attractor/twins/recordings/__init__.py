"""Records real providers, without keys, and answers from recordings."""
