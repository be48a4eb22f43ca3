"""Receives a file: within limits of size, time, number and space, or refuses it with a reason.

The request's body is the file. Its name is the uploader's word, shown and never opened.
"""

import asyncio
import ipaddress
import os
import pathlib
import re
import shutil
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from cad_jax.service.jobs import Job, Jobs, new_id
from cad_jax.service.settings import MEGABYTE, ServiceSettings
from cad_jax.service.worker import RATE_S

_LONGEST_NAME = 200
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}$")  # some formats are told apart by it


class Refusal(Exception):
    """An upload that is not taken.

    Attributes:
        status: of HTTP.
        code, message: for programs and for people.
        retry_s: seconds after which it may be tried again; 0: it is no use.
    """

    def __init__(self, status: int, code: str, message: str, retry_s: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_s = status, code, message, retry_s


class Receiver:
    """Takes uploads into a folder.

    Args:
        settings: of the service.
        jobs: where they become jobs.
    """

    def __init__(self, settings: ServiceSettings, jobs: Jobs) -> None:
        self._settings, self._jobs = settings, jobs
        self._receiving = 0

    async def receive(
        self, name: str, host: str, declared: int | None, body: AsyncIterator[bytes]
    ) -> str:
        """Stores a file and accepts its job.

        Args:
            name: what the uploader calls it.
            host: address that it comes from.
            declared: its length in bytes, where that was said.
            body: its bytes.

        Returns:
            The job's id.

        Raises:
            Refusal: a limit; nothing is left of it.
            OSError: the folder cannot be written.
        """
        if self._receiving >= self._settings.max_uploads:
            raise Refusal(503, "busy", "too many uploads at once; try again", retry_s=10)
        self._receiving += 1
        job = _job(name)
        path = self._settings.uploads / job.file
        try:
            client = _client(host)
            await run_in_threadpool(self._check, client, declared or 0)
            async with asyncio.timeout(self._settings.upload_s):
                size = await self._store(path, body)
            await run_in_threadpool(self._jobs.accept, job, client, size)
        except TimeoutError:
            path.unlink(missing_ok=True)
            message = f"the upload took over {self._settings.upload_s} s"
            raise Refusal(408, "slow", message) from None
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            self._receiving -= 1
        return job.id

    def _check(self, client: str, declared: int) -> None:
        settings = self._settings
        self._check_size(declared)
        if self._jobs.recent(client, RATE_S) >= settings.per_minute:
            message = f"over {settings.per_minute} uploads a minute from one address"
            raise Refusal(429, "rate", message, retry_s=round(RATE_S))
        if sum(self._jobs.unanswered().values()) >= settings.max_waiting:
            raise Refusal(503, "busy", "too many files wait; try again later", retry_s=60)
        stored = sum(map(_size, settings.uploads.iterdir()))
        free = shutil.disk_usage(settings.uploads).free
        if declared > min(settings.max_stored_mb * MEGABYTE - stored, free // 2):
            raise Refusal(503, "busy", "no room for this file now; try again later", retry_s=60)

    def _check_size(self, size: int) -> None:
        if size > self._settings.max_mb * MEGABYTE:
            raise Refusal(413, "too_large", f"the file is over {self._settings.max_mb} MB")

    async def _store(self, path: pathlib.Path, body: AsyncIterator[bytes]) -> int:
        size = 0
        with path.open("xb") as file:
            async for chunk in body:
                size += len(chunk)
                self._check_size(size)
                file.write(chunk)
            await run_in_threadpool(_to_disk, file.fileno(), path.parent)
        return size


def _size(path: pathlib.Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # judged meanwhile
        return 0


def _to_disk(descriptor: int, folder: pathlib.Path) -> None:
    """The bytes, and the name in its folder."""
    os.fsync(descriptor)
    parent = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _job(name: str) -> Job:
    id_ = new_id()
    shown = "".join(c for c in name if c.isprintable())[-_LONGEST_NAME:] or "unnamed"
    suffix = _SUFFIX.search(shown.lower())
    return Job(id_, shown, new_id() + (suffix[0] if suffix else ""), attempts=0)


def _client(host: str) -> str:
    """What counts as one address: of IPv6 the network, in which a host may take any."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a Unix socket has none
        return host
    return str(ipaddress.ip_network((address, 64 if address.version == 6 else 32), strict=False))
