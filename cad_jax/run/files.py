"""What a run's work folder holds, by name."""

CHECKPOINTS = "checkpoints"
CONFIG_FILE = "config.json"
LOCK_FILE = ".lock"
