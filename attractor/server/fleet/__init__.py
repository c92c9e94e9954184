"""The server's part of a fleet: what it shows, and what it does for runs that workers execute."""
