import time

import numpy as np

from data_pipelines.audit.near import near_pairs


def random_clips(count, seed):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 255, (8, 64), np.uint8) for _ in range(count)]


def test_clips_with_vectors_in_common_are_paired_across_sides_only():
    clips = random_clips(40, seed=0)
    half = np.concatenate([clips[3][:4], clips[30][4:]])
    quarter = np.concatenate([clips[5][:2], random_clips(1, seed=1)[0][2:]])
    clips += [half, quarter, clips[7].copy()]
    sides = ["a"] * 40 + ["b", "b", "a"]
    assert near_pairs(clips, sides, share=0.5, same=0.95) == [(3, 40), (30, 40)]
    assert near_pairs(clips, sides, share=0.25, same=0.95) == [(3, 40), (5, 41), (30, 40)]


def test_flat_and_missing_vectors_match_nothing():
    flat = np.full((8, 64), 128, np.uint8)
    nothing = np.zeros((0, 64), np.uint8)
    assert near_pairs([flat, flat, nothing], ["a", "b", "b"], share=0.5, same=0.9) == []
    assert near_pairs([nothing], ["a"], share=0.5, same=0.9) == []
    assert near_pairs([], [], share=0.5, same=0.9) == []


def test_time_grows_with_the_clips_not_with_their_square():
    """Every clip alike is the worst case: then all bands are crowded."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 255, (8, 64))
    alike = [
        (base + rng.integers(0, 3, base.shape)).clip(0, 255).astype(np.uint8) for _ in range(500)
    ]
    start = time.process_time()
    near_pairs(alike, ["a", "b"] * 250, share=0.5, same=0.9)
    assert time.process_time() - start < 10
