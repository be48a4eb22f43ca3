"""What a run's work folder holds, by name."""

CHECKPOINTS = "checkpoints"
CONFIG_FILE = "config.json"
GOODPUT_FILE = "goodput.json"
LOCK_FILE = ".lock"
