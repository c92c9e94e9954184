"""Where tools touch the world: files, commands, services."""
