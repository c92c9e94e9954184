"""Files that are written into the projects of users."""
