"""The HTTP servers of twins: hosting, replies, log, control address, forwarding."""
