"""The parts of HTTP that all resources share: problems, scopes, lists in pages."""
