"""Where a run is: progress, status, branches, checkpoint."""
