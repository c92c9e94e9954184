"""Where a walk goes next: edge selection, goal gates, limits, retries."""
