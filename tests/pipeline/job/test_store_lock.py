"""One job at a time in a folder of a store."""

import contextlib
import threading
import time

import pytest

from pipeline.errors import UserError
from pipeline.job import storage, store_lock
from pipeline.job.store_lock import StoreLock

REFUSED = "--output: expected a folder that no other job makes, received 'told'"


@pytest.fixture(params=["bucket", "disk"])
def path(request, monkeypatch):
    """The object, in a store that is watched for two seconds."""
    for name, seconds in (("_BEAT", 0.2), ("_WATCH", 3.0), ("_SETTLE", 0.5), ("_LOOK", 0.2)):
        monkeypatch.setattr(store_lock, name, seconds)
    store = request.getfixturevalue(request.param)
    return f"{getattr(store, 'url', store)}/data.work/lock"


def test_a_second_job_is_refused_while_the_first_one_runs(path):
    with StoreLock(path, "told").held() as first:
        assert storage.exists(path) and first is None
        with pytest.raises(UserError, match=REFUSED), StoreLock(path, "told").held():
            pass
        assert storage.exists(path)
    assert not storage.exists(path)
    with StoreLock(path, "told").held():
        pass


def test_the_place_of_a_killed_job_is_taken(path):
    # The object as it was written last: nobody goes on with it.
    storage.write_text(path, '{"job": "killed", "beat": 7}')
    lock = StoreLock(path, "told")
    with lock.held():
        lock.require()
        assert "killed" not in storage.read_text(path)
    assert not storage.exists(path)


def test_of_two_that_begin_together_one_stays(path):
    entered, together = [], threading.Barrier(2)

    def begin(number):
        together.wait()
        with contextlib.suppress(UserError), StoreLock(path, "told").held():
            entered.append(number)
            done.wait(20)

    done = threading.Event()
    threads = [threading.Thread(target=begin, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    # The one that is refused ends by itself.
    while all(thread.is_alive() for thread in threads):
        threads[0].join(0.1)
    done.set()
    for thread in threads:
        thread.join()
    assert len(entered) == 1


def test_an_object_that_a_failed_upload_removed_is_written_anew(path):
    lock = StoreLock(path, "told")
    with lock.held():
        storage.remove(*path.rsplit("/", 1))
        lock.require()
        until = time.monotonic() + 20
        while not storage.exists(path) and time.monotonic() < until:
            time.sleep(0.1)
        with pytest.raises(UserError, match=REFUSED), StoreLock(path, "told").held():
            pass


def test_a_place_that_is_given_up_meanwhile_is_not_waited_for(path, monkeypatch):
    monkeypatch.setattr(store_lock, "_WATCH", 60.0)
    storage.write_text(path, '{"job": "ending", "beat": 7}')
    begun = time.monotonic()
    threading.Timer(1.0, storage.remove, path.rsplit("/", 1)).start()
    with StoreLock(path, "told").held():
        assert time.monotonic() - begun < 60


def test_a_job_that_lost_its_place_is_told(path, monkeypatch):
    # So that it does not write in between.
    monkeypatch.setattr(store_lock, "_BEAT", 60.0)
    lock = StoreLock(path, "told")
    with lock.held():
        storage.write_text(path, '{"job": "another"}')
        with pytest.raises(UserError, match=REFUSED):
            lock.require()
    # It is not this job's to remove.
    assert storage.read_text(path) == '{"job": "another"}'
