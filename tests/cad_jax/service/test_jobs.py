"""Jobs outlive the processes that work on them."""

import itertools

import pytest

from cad_jax.service import jobs as module
from cad_jax.service.jobs import LEASE_S, Job, Jobs, new_id


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    ticks = itertools.count(1000.0, 0.001)
    jobs = Jobs(tmp_path / "jobs.sqlite")
    jobs.later = 0.0
    monkeypatch.setattr(module.time, "time", lambda: next(ticks) + jobs.later)
    return jobs


def accept(jobs, *names):
    for name in names:
        jobs.accept(Job(f"id-{name}", name, f"file-{name}", 0), "client", 5)


def names(claimed):
    return [job.name for job in claimed]


def test_ids_are_not_guessed():
    assert len({new_id() for _ in range(1000)}) == 1000
    assert len(new_id()) >= 22


def test_jobs_are_claimed_once_in_their_order(jobs):
    accept(jobs, "a", "b", "c")
    assert names(jobs.claim("one", 2)) == ["a", "b"]
    assert names(jobs.claim("two", 9)) == ["c"]
    assert jobs.claim("three", 9) == []


def test_a_lease_that_ran_out_is_anybodys_and_its_late_answer_nobodys(jobs):
    accept(jobs, "a")
    (job,) = jobs.claim("dead", 9)
    jobs.later = LEASE_S + 1
    (again,) = jobs.claim("alive", 9)
    assert again.attempts == 2
    assert not jobs.finish(job, "dead", {"verdict": {}}, "late")
    assert jobs.finish(again, "alive", {"verdict": {"a": 1}}, "authentic")
    assert jobs.state("id-a").answer == {"verdict": {"a": 1}}
    assert jobs.totals()["answered", "authentic"] == 1
    assert ("answered", "late") not in jobs.totals()


def test_a_renewed_lease_holds(jobs):
    accept(jobs, "a")
    jobs.claim("one", 9)
    jobs.later = LEASE_S - 1
    jobs.renew("one")
    jobs.later = LEASE_S + 1
    assert jobs.claim("two", 9) == []
    assert jobs.state("id-a").state == "running"


def test_what_ended_a_process_comes_alone_the_next_time(jobs):
    accept(jobs, "a", "b")
    jobs.claim("dead", 9)
    accept(jobs, "c")
    jobs.later = LEASE_S + 1
    assert [names(jobs.claim(f"alive {n}", 9)) for n in range(3)] == [["a"], ["b"], ["c"]]


def test_what_is_given_back_was_never_tried(jobs):
    accept(jobs, "a")
    jobs.claim("one", 9)
    jobs.release("one")
    (job,) = jobs.claim("two", 9)
    assert job.attempts == 1


def test_a_job_knows_how_many_are_before_it(jobs):
    accept(jobs, "a", "b", "c")
    assert jobs.state("id-c")[1:3] == ("waiting", 2)
    assert jobs.state("id-x") is None


def test_answers_and_addresses_are_forgotten_open_jobs_never(jobs):
    accept(jobs, "a", "b")
    (job, _) = jobs.claim("one", 9)
    jobs.finish(job, "one", {"verdict": {}}, "authentic")
    assert jobs.recent("client", 60.0) == 2
    jobs.later = 3600.0
    assert jobs.forget(keep_s=1800.0, address_s=60.0) == {"file-b"}
    assert jobs.state("id-a") is None
    assert jobs.state("id-b") is not None
    assert jobs.recent("client", 1e6) == 0


def test_of_too_many_reports_the_oldest_go_and_their_answers_stay(jobs):
    for name in "abc":
        jobs.accept(Job(name, name, f"file-{name}", 0), "", 1)
        (job,) = jobs.claim("one", 1)
        jobs.finish(job, "one", {"verdict": {}}, "authentic", b"x" * 10)
    jobs.shed_reports(25)
    assert [jobs.state(name).reported for name in "abc"] == [False, True, True]
    assert (jobs.report("a"), jobs.report("c")) == (None, b"x" * 10)
    assert jobs.state("a").state == "done"
