from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from pipeline.corpora.filesystems import open_stored
from pipeline.corpora.s3_session import share_session
from pipeline.job import storage


@pytest.fixture
def sessions(monkeypatch):
    """Those that are made from now on."""
    made = []

    class Counted(boto3.session.Session):
        def __init__(self):
            made.append(self)
            super().__init__()

    monkeypatch.setattr(boto3.session, "Session", Counted)
    share_session()
    yield made
    share_session()


def test_all_requests_of_all_threads_share_one(sessions, bucket):
    names = [f"{bucket.url}/{number}" for number in range(20)]

    def written_and_read(name):
        storage.write_text(name, name)
        with open_stored(name) as file:
            return file.read().decode()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(written_and_read, names)) == names
    assert len(sessions) == 1
