"""The command line: it reads words, calls the rooms below, and turns errors into exit codes."""
