"""The command line: parses arguments, calls the rooms below, and maps errors to exit statuses."""
