"""What simple methods reach: hand-made cues, a linear model on each, and their late fusion.

A detector that is worth its parameters beats this table. Fitted on one split, judged on others;
numpy only.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64

from data_pipelines.audit import cues
from data_pipelines.audit.comparisons import ClipFacts, comparisons, facts_of
from data_pipelines.audit.probe_report import Report, entry_of
from data_pipelines.audit.probes import fit_and_score, group_folds, probe_result
from data_pipelines.errors import UserError
from data_pipelines.records.clip import FAKE, OUT_OF_SYNC, REAL, UNKNOWN, ClipRecord

SOUND, PICTURE, SYNC, FUSED = "sound", "picture", "sync", "fused"

_RIDGE = 300.0  # of the lip reader, on pixels of deviation 1
_REACH = 15  # frames that lips and sound are shifted against each other
_NEAR = 2  # frames that count as in sync; lips lead the sound by about one


@dataclasses.dataclass(frozen=True)
class EvidenceRow:
    """What the cues keep of a clip.

    Attributes:
        sound, picture: their numbers; none without that modality.
        mouth, loudness: tracks of the lips and of the sound; none without either modality.
        labels: cue -> 1 forged, 0 genuine, -1 unknown, in what that cue looks at.
        facts: the rest.
    """

    sound: Float[np.ndarray, " f"]
    picture: Float[np.ndarray, " g"]
    mouth: Float[np.ndarray, "t p"]
    loudness: Float[np.ndarray, " t"]
    labels: dict[str, int]
    facts: ClipFacts


def evidence_rows(clips: Iterable[ClipRecord]) -> list[EvidenceRow]:
    """Reads clips once; those without a known label are left out."""
    return [_row(clip) for clip in clips if clip.label in (REAL, FAKE)]


def evidence_report(
    train: Sequence[EvidenceRow], tests: Mapping[str, Sequence[EvidenceRow]]
) -> dict[str, Report]:
    """AUC of each cue and of their fusion, against the genuine clips of the same split.

    Args:
        train: what the linear models are fitted on.
        tests: split -> the clips to be judged.

    Returns:
        split -> `any forgery` or a kind -> one entry a cue: name, auc, error, forged, genuine.

    Raises:
        UserError: the training clips hold no example of a class.
    """
    reader = _fit_lip_reader(train)
    models = {cue: _Model(train, cue, reader) for cue in (SOUND, PICTURE, SYNC)}
    seen = np.stack([model.held_out_scores() for model in models.values()], axis=1)
    reports = {}
    for split, rows in tests.items():
        unseen = np.stack([model.scores(rows) for model in models.values()], axis=1)
        fused = fit_and_score(seen, _forged(train), unseen)
        columns = dict(zip(models, unseen.T, strict=True)) | {FUSED: fused}
        reports[split] = _by_kind(rows, columns)
    return reports


class _Model:
    """One cue's logistic regression; log-odds 0 for clips that lack what it looks at."""

    def __init__(self, train: Sequence[EvidenceRow], cue: str, reader: np.ndarray) -> None:
        self._cue, self._reader, self._num_train = cue, reader, len(train)
        self._fitted = [n for n, row in enumerate(train) if row.labels[cue] != UNKNOWN]
        rows = [train[n] for n in self._fitted]
        self._labels = np.array([row.labels[cue] == FAKE for row in rows], bool)
        if len(np.unique(self._labels)) < 2:
            raise UserError(f"no {cue} cue: the training clips are all of one class there")
        self._values = np.stack([_values(row, cue, reader) for row in rows])
        self._groups = [row.facts.group for row in rows]

    def held_out_scores(self) -> Float64[np.ndarray, " n"]:
        """Of the training clips, each by a model that never saw its group."""
        scores = np.zeros(len(self._values))
        for test in group_folds(self._groups):
            scores[test] = fit_and_score(
                self._values[~test], self._labels[~test], self._values[test]
            )
        return _spread(scores, self._fitted, self._num_train)

    def scores(self, rows: Sequence[EvidenceRow]) -> Float64[np.ndarray, " m"]:
        """Of other clips."""
        able = [n for n, row in enumerate(rows) if len(_needed(row, self._cue))]
        if not able:
            return np.zeros(len(rows))
        values = np.stack([_values(rows[n], self._cue, self._reader) for n in able])
        return _spread(fit_and_score(self._values, self._labels, values), able, len(rows))


def _row(clip: ClipRecord) -> EvidenceRow:
    nothing = np.zeros(0)
    both = clip.has_video and clip.has_audio
    in_sync = {UNKNOWN: UNKNOWN, OUT_OF_SYNC: FAKE}.get(clip.label_sync, REAL)
    return EvidenceRow(
        sound=cues.sound_cue(cues.samples_of(clip)) if clip.has_audio else nothing,
        picture=cues.picture_cue(*cues.grey_frames(clip)) if clip.has_video else nothing,
        mouth=cues.mouth_track(clip) if both else np.zeros((0, 0)),
        loudness=cues.loudness_track(clip) if both else nothing,
        labels={
            SOUND: clip.label_audio if clip.has_audio else UNKNOWN,
            PICTURE: clip.label_video if clip.has_video else UNKNOWN,
            SYNC: in_sync if both else UNKNOWN,
        },
        facts=facts_of(clip),
    )


def _fit_lip_reader(rows: Sequence[EvidenceRow]) -> Float64[np.ndarray, " p"]:
    """Weights of the mouth's pixels that predict loudness: ridge regression on genuine clips."""
    genuine = [row for row in rows if row.labels[SYNC] == REAL and row.facts.label == REAL]
    if not genuine:
        raise UserError("no sync cue: the training clips hold no genuine one with both modalities")
    mouths = np.concatenate([row.mouth for row in genuine])
    loudness = np.concatenate([row.loudness for row in genuine])
    normal = mouths.T @ mouths + _RIDGE * np.eye(mouths.shape[1])
    return np.linalg.solve(normal, mouths.T @ loudness)


def _needed(row: EvidenceRow, cue: str) -> np.ndarray:
    return {SOUND: row.sound, PICTURE: row.picture, SYNC: row.loudness}[cue]


def _values(row: EvidenceRow, cue: str, reader: np.ndarray) -> np.ndarray:
    return _sync_values(row, reader) if cue == SYNC else _needed(row, cue)


def _sync_values(row: EvidenceRow, reader: np.ndarray) -> np.ndarray:
    """How well the read loudness fits the heard one: in sync, at the best other offset, between."""
    read = row.mouth @ reader
    read = (read - read.mean()) / (read.std() + 1e-3)
    reach = min(_REACH, len(read) // 2)
    offsets = np.arange(-reach, reach + 1)
    curve = np.array([_correlation(read, row.loudness, offset) for offset in offsets.tolist()])
    near = np.abs(offsets) <= _NEAR
    inside, outside = curve[near].max(), curve[~near].max(initial=-1.0)
    return np.array([inside, outside, inside - outside])


def _correlation(read: np.ndarray, heard: np.ndarray, offset: int) -> float:
    """Of tracks of deviation 1, where the sound is `offset` frames late."""
    lips = read[max(0, -offset) : len(read) - max(0, offset)]
    return float((lips * heard[max(0, offset) :][: len(lips)]).mean())


def _by_kind(rows: Sequence[EvidenceRow], scores: Mapping[str, np.ndarray]) -> Report:
    forged = _forged(rows)
    able = {
        cue: np.array([cue == FUSED or len(_needed(row, cue)) > 0 for row in rows])
        for cue in scores
    }
    return {
        name: [
            entry_of(probe_result(cue, values[members & able[cue]], forged[members & able[cue]]))
            for cue, values in scores.items()
        ]
        for name, members in comparisons([row.facts for row in rows]).items()
    }


def _forged(rows: Sequence[EvidenceRow]) -> Bool[np.ndarray, " n"]:
    return np.array([row.facts.label == FAKE for row in rows], bool)


def _spread(scores: np.ndarray, places: list[int], count: int) -> np.ndarray:
    """The scores at their places among `count` zeros."""
    spread = np.zeros(count)
    spread[places] = scores
    return spread
