import jax.numpy as jnp
import numpy as np

from cad_jax.losses.masks import clip_masks, masked_sum


def test_masks_of_every_kind_of_clip():
    clips = [  # valid, has_video, has_audio, label_video, label_audio, label_sync
        (1, 1, 1, 0, 0, 1),  # genuine, in sync
        (1, 1, 1, 0, 0, -1),  # genuine, sync unknown
        (1, 1, 1, 0, 0, 0),  # shifted
        (1, 1, 1, 1, 0, 1),  # forged picture that is known to be in sync
        (1, 1, 1, 1, 1, 0),  # forged and out of sync
        (1, 1, 0, 0, -1, -1),  # silent film
        (1, 1, 1, -1, 0, 1),  # unknown picture
        (0, 1, 1, 0, 0, 1),  # padding
    ]
    columns = np.array(clips).T
    flags = dict(zip(("valid", "has_video", "has_audio"), columns[:3].astype(bool), strict=True))
    labels = dict(zip(("label_video", "label_audio", "label_sync"), columns[3:], strict=True))
    masks = clip_masks({key: jnp.asarray(value) for key, value in (flags | labels).items()})
    want = {
        "has_video": [1, 1, 1, 1, 1, 1, 1, 0],
        "has_audio": [1, 1, 1, 1, 1, 0, 1, 0],
        "pair": [1, 1, 1, 1, 1, 0, 1, 0],
        "genuine": [1, 1, 0, 0, 0, 0, 0, 0],
        "in_sync": [1, 0, 0, 0, 0, 0, 0, 0],
        "out_of_sync": [0, 0, 1, 0, 1, 0, 0, 0],
    }
    for name, flags in want.items():
        np.testing.assert_array_equal(getattr(masks, name), np.array(flags, bool), err_msg=name)


def test_masked_sum_ignores_nan_and_adds_in_float32():
    values = jnp.array([1.0, jnp.nan, 2.0], jnp.bfloat16)
    result = masked_sum(values, jnp.array([True, False, True]))
    assert (result.total, result.count) == (3.0, 2.0)
    assert result.total.dtype == jnp.float32
