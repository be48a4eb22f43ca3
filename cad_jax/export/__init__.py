"""A detector as a program that needs nothing of this package: StableHLO, parameters, facts."""
