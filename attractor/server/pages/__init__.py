"""One file a web page: its `part` is a router with the addresses of the page."""
