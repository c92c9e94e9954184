"""The kinds of route, one file each: how the requests of a route are answered."""
