"""Git: processes, repositories, objects, commits, ignore files."""
