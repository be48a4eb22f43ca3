"""Finds shortcuts in a data set before a detector does, and what simple cues reach on it."""
