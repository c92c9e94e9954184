"""Programs that measure, print a ratio and its limit, and end with 1 when they miss it."""
