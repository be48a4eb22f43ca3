"""Laboratory: what measures the pipelines; only scripts import it."""
