"""What one accelerator has: memory, bandwidth, arithmetic. The one table of it.

From the makers' data sheets; a GPU's memory is what its driver leaves of it.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Chip:
    """One device as JAX sees it.

    Attributes:
        kind: how its `device_kind` begins.
        memory: bytes.
        bandwidth: of that memory, bytes/s.
        flops: dense bfloat16 peak, FLOP/s.
    """

    kind: str
    memory: int
    bandwidth: float
    flops: float


_GIB = 2**30

# The first that fits counts: "TPU v5" alone is v5p.
CHIPS = (
    Chip("TPU v4", 32 * _GIB, 1228e9, 275e12),
    Chip("TPU v5 lite", 16 * _GIB, 819e9, 197e12),
    Chip("TPU v5", 95 * _GIB, 2765e9, 459e12),
    Chip("TPU v6 lite", 32 * _GIB, 1640e9, 918e12),
    Chip("NVIDIA A100", 85_094_825_984, 2039e9, 312e12),
    Chip("NVIDIA H100", 84_929_347_584, 3352.32e9, 989e12),
    Chip("NVIDIA H200", 150_754_820_096, 4800e9, 989e12),
)


def chip_of(device_kind: str) -> Chip | None:
    """The chip of this `device_kind`; None where it is not in the table."""
    return next((chip for chip in CHIPS if device_kind.startswith(chip.kind)), None)
