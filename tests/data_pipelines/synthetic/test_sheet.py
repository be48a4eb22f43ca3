"""The sheet shows what it says, at the place where it says so."""

import cv2
import numpy as np

from data_pipelines.synthetic import sheet


def test_a_sheet_has_people_and_a_row_for_each_kind(preset, tmp_path):
    path = tmp_path / "sheet.png"
    sheet.write_sheet(path, preset, seed=0)
    picture = cv2.imread(str(path))
    people, kinds = sheet.people_sheet(preset, 0), sheet.kinds_sheet(preset, 0)
    np.testing.assert_array_equal(picture[:, :, ::-1], np.concatenate([people, kinds]))
    assert people[:96, :96].std() > 5  # a face, not an empty place
    assert len(kinds) % 96 == 0


def test_twins_stand_side_by_side(preset):
    # Rows are sorted by kind; the sound of a picture's forgery is its twin's, and the reverse.
    kinds = sheet.kinds_sheet(preset, 0)
    same_picture, same_sound = [], []
    for top in range(0, len(kinds), 96):
        genuine, forged = np.split(kinds[top : top + 96, 84:], 2, axis=1)
        same_picture.append(np.array_equal(genuine[:, :480], forged[:, :480]))
        same_sound.append(np.array_equal(genuine[:, 480:], forged[:, 480:]))
    assert any(same_picture)
    assert any(same_sound)
    assert not any(np.logical_and(same_picture, same_sound))
