"""The crew that builds an app from its specification: contracts, handlers and checks."""
