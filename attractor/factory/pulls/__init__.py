"""The pull requests of a project on a forge, such as GitHub or GitLab."""
