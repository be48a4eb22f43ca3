"""A detector that travels: its parameters, how its answers are to be read, and its model card."""

DEFAULT = "tiny"  # of those that come with the package
