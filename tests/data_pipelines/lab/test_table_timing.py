from data_pipelines.lab.table_timing import time_table


def test_a_worker_is_sent_four_bytes_a_clip():
    small, large = time_table(2_000), time_table(12_000)
    assert [small.clips, large.clips] == [2_000, 12_000]
    grown = large.worker_bytes - small.worker_bytes
    assert 4 * 10_000 <= grown < 4 * 10_000 + 100  # how many there are takes some, too
    assert large.lines()[0].startswith("12,000 clips, a table of ")
