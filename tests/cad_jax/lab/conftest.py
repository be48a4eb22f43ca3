"""The small published models that the tests of `weights` rebuild, for the laboratory too."""

import pathlib
import runpy

_WEIGHTS = runpy.run_path(str(pathlib.Path(__file__).parents[1] / "weights" / "conftest.py"))

ctranslate2_whisper = _WEIGHTS["ctranslate2_whisper"]
make_ctranslate2 = _WEIGHTS["make_ctranslate2"]
