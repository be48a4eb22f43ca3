"""The benchmarks as TFDS builders: once imported, `tfds.builder("kodf_clips", data_dir=...)` works.

They open what `scripts/prepare.py` wrote and prepare nothing. Metadata needs no TensorFlow,
`as_dataset` does. A folder of your own is opened by `tfds.builder_from_directory`.
"""

import os
import pathlib

from tensorflow_datasets.core import read_only_builder

from data_pipelines.errors import UserError
from data_pipelines.records.metadata import INFO_FILE, read_metadata


class PreparedClips(read_only_builder.ReadOnlyBuilder, skip_registration=True):
    """A prepared set, opened by the name of its benchmark: the class `<Dataset>Clips`."""

    def __init__(
        self, *, data_dir: str | os.PathLike[str] | None = None, version: str | None = None
    ) -> None:
        """Opens a prepared set.

        Args:
            data_dir: the folder that was the preparation's output, or one in which it was
                `<name>/<version>`, TFDS's own layout; TFDS's default where it is not given.
            version: in that layout, which; the newest where it is not given.

        Raises:
            UserError: the folder holds another data set.
            DatasetNotFoundError: no prepared set there.
        """
        name = type(self).name
        if data_dir is None or not (pathlib.Path(data_dir) / INFO_FILE).exists():
            found = read_only_builder.builder_from_files(name, data_dir=data_dir, version=version)
            data_dir = found.data_dir
        holds = f"{read_metadata(data_dir).name}_clips"
        if holds != name:
            raise UserError(f"{data_dir} holds {holds}, not {name}")
        super().__init__(data_dir)
        self._original_state = {"data_dir": os.fspath(data_dir)}  # what pickling restores it from


class FakeavcelebClips(PreparedClips):
    """FakeAVCeleb."""


class DftimitClips(PreparedClips):
    """DeepfakeTIMIT with VidTIMIT."""


class FaceforensicsClips(PreparedClips):
    """FaceForensics++ with FaceShifter and DeepFakeDetection."""


class CelebdfClips(PreparedClips):
    """Celeb-DF v2."""


class IdforgeClips(PreparedClips):
    """IDForge."""


class DfdcClips(PreparedClips):
    """The Deepfake Detection Challenge."""


class LavdfClips(PreparedClips):
    """LAV-DF."""


class Avdeepfake1mClips(PreparedClips):
    """AV-Deepfake1M."""


class KodfClips(PreparedClips):
    """KoDF."""
