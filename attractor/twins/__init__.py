"""Stand-ins for outside services, over real HTTP, that do what a script says."""
