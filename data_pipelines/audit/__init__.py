"""Finds shortcuts in a data set before a detector does."""
