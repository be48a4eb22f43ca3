"""What a process that decodes foreign files may take of the machine, held by the kernel.

Knows nothing of what the process does. A process sets them for itself and cannot take them back.
"""

import contextlib
import ctypes
import dataclasses
import resource

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET: linux/sched.h


@dataclasses.dataclass(frozen=True)
class ProcessLimits:
    """What one process may take.

    Attributes:
        memory_bytes: of memory of its own, shared libraries not counted. Beyond it allocations
            fail: Python raises MemoryError, a library may end the process.
        cpu_s: processor time of one task, all threads together; the process is then ended.
        file_bytes: length of a file that it writes; 0: it writes none.
        open_files: files open at once.
    """

    memory_bytes: int = 3 * 2**30
    cpu_s: int = 900
    file_bytes: int = 0
    open_files: int = 256

    def enter(self) -> None:
        """Binds this process for good; it has no network from here on where the kernel allows that.

        Before it starts a thread and imports anything else: of several threads the kernel lets
        none into a network of its own.
        """
        _lower(resource.RLIMIT_DATA, self.memory_bytes)
        _lower(resource.RLIMIT_FSIZE, self.file_bytes)
        _lower(resource.RLIMIT_NOFILE, self.open_files)
        _lower(resource.RLIMIT_CORE, 0)
        # Linux alone: a network without any device, for which an ordinary user needs to be
        # root of a world of its own. Elsewhere, or where that is forbidden, the network stays.
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).unshare(_NEW_USER | _NEW_NETWORK)

    def begin_task(self) -> None:
        """Gives this process the processor time of one more task."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        until = int(usage.ru_utime + usage.ru_stime) + 1 + self.cpu_s
        most = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (until, most))


def _lower(kind: int, value: int) -> None:
    """Sets both limits, so that the process cannot raise them again."""
    most = resource.getrlimit(kind)[1]
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(kind, (value, value))
