"""One file an HTTP resource: its `part` is a router with the operations of the resource."""
