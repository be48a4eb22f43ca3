"""In a process of its own: the setting cannot be taken back."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from cad_jax.parallel.host_memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(2**22)  # 32 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
known = keep_freed_memory()
np.ones(2**22)
print(int(known), first, faults())
"""


def test_a_block_freed_is_used_again():
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    known, before, after = map(int, done.stdout.split())
    if not known:
        pytest.skip("this C library has no mallopt")
    assert after < before / 10
