"""The adapters, one file each: operations of a service."""
