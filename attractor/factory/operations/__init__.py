"""The actions on the runs of a project, one module for each: all doors lead through them."""
