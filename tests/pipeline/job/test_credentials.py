"""Whether S3 can be asked, by all the ways in which credentials are found."""

import http.server
import json
import os
import sys
import threading

import pytest

import nmt
from pipeline.corpora.s3_session import share_session
from pipeline.errors import UserError
from pipeline.fetch import fetch
from pipeline.job import credentials
from pipeline.job.credentials import require_credentials
from pipeline.job.runners import Runner

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
PATH = "s3://bucket/data"


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """A machine that has no credentials, and a job without flags."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(credentials, "_SECONDS_BETWEEN", 0)
    # A session keeps what it has found.
    share_session()
    yield
    share_session()
    Runner()


def test_without_credentials_a_store_is_refused():
    with pytest.raises(UserError) as told:
        require_credentials(["en.txt", PATH, "s3://bucket/other"])
    assert str(told.value).startswith(
        "-- --s3_access_key_id: expected credentials for 's3://bucket/data', received none that can be used (Unable to"
        " locate credentials); give it and --s3_secret_access_key, set "
    )


def test_what_is_elsewhere_needs_none():
    require_credentials(["en.txt", "gs://bucket/data", "hdfs://bucket/data"])


def test_flags_are_credentials():
    Runner(1, ["--s3_access_key_id=key", "--s3_secret_access_key=secret"])
    require_credentials([PATH])


def test_variables_are_credentials(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    require_credentials([PATH])


def test_a_profile_is_credentials(monkeypatch, tmp_path):
    (tmp_path / "AWS_SHARED_CREDENTIALS_FILE").write_text(
        "[mine]\naws_access_key_id = key\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "mine")
    require_credentials([PATH])
    monkeypatch.setenv("AWS_PROFILE", "other")
    share_session()
    with pytest.raises(UserError, match=r"none that can be used \(The config profile \(other\) could not be found\)"):
        require_credentials([PATH])


def test_half_a_key_is_refused():
    Runner(1, ["--s3_access_key_id=key"])
    with pytest.raises(UserError, match=r"\(Partial credentials found in explicit, missing: aws_secret_access_key\)"):
        require_credentials([PATH])


def test_a_token_that_is_missing_is_told_in_one_line(monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "gone"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader")
    with pytest.raises(UserError, match=r"No such file or directory: '.*gone'"):
        require_credentials([PATH])
    assert capfd.readouterr().err == ""


class Metadata(http.server.BaseHTTPRequestHandler):
    """What tells a machine its role; the first three times it is too busy."""

    asked: int

    def _answer(self):
        type(self).asked += 1
        role = {"AccessKeyId": "key", "SecretAccessKey": "secret", "Token": "t", "Expiration": "2100-01-01T00:00:00Z"}
        body = {"PUT": "token"}.get(self.command) or ("role" if self.path.endswith("/") else json.dumps(role))
        self.send_response(503 if self.asked <= 3 else 200)
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_PUT = _answer

    def log_message(self, *_):
        pass


def test_the_role_of_a_machine_is_credentials(monkeypatch):
    monkeypatch.setattr(Metadata, "asked", 0, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
        require_credentials([PATH])
        server.shutdown()
    assert Metadata.asked > 3


def test_what_is_no_matter_of_credentials_is_told_by_what_reads(monkeypatch):
    monkeypatch.setattr(credentials, "file_system_options", lambda: {"s3_endpoint_url": "localhost:9000"})
    require_credentials([PATH])
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    require_credentials([PATH])


@pytest.mark.parametrize(
    ("place", "flags"),
    [("--source", []), ("--exclude", []), ("--output", []), ("--source", ["--dry-run"]), ("--exclude", ["--dry-run"])],
)
def test_a_job_is_refused(write_lines, tmp_path, capsys, place, flags):
    paths = {"--source": write_lines("en", ["a"]), "--target": write_lines("de", ["b"])}
    paths |= {"--output": str(tmp_path / "data"), place: f"{PATH}.txt"}
    assert nmt.main(["preprocess", *(word for pair in paths.items() for word in pair), *flags]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("nmt: error: -- --s3_access_key_id: expected credentials for 's3://bucket/data.txt'")


def test_fetching_is_refused(tmp_path):
    with pytest.raises(UserError, match="-- --s3_access_key_id: expected credentials for 's3://bucket/data'"):
        fetch(PATH, tmp_path / "own")
