"""The benchmarks as TFDS builders: once imported, `tfds.builder("kodf_clips", data_dir=...)` works.

They open what `scripts/prepare.py` wrote and prepare nothing. Metadata needs no TensorFlow,
`as_dataset` does. A folder of your own is opened by `tfds.builder_from_directory`.
"""

import os
import pathlib
import types

from tensorflow_datasets.core import read_only_builder

from data_pipelines.benchmarks.registry import READERS
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


def _builder(dataset: str) -> type[PreparedClips]:
    """The class by which TFDS finds a benchmark; it registers itself, and pickles by its name."""
    body = {"__doc__": f"The benchmark `{dataset}`.", "__module__": __name__}
    return types.new_class(
        f"{dataset.capitalize()}Clips", (PreparedClips,), exec_body=lambda ns: ns.update(body)
    )


BUILDERS = {name: _builder(name) for name in READERS if name != "folder"}
# Pickle finds a class by its name here.
globals().update({builder.__name__: builder for builder in BUILDERS.values()})
