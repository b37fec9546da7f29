"""Stores for tests: buckets of a real S3 on this machine, and a file system of Beam's that has folders."""

import json
import shutil
import uuid
from pathlib import Path

from apache_beam.io.filesystem import FileMetadata, FileSystem


class Bucket:
    """A bucket of an S3: the flags that Beam wants for it, and what it holds."""

    def __init__(self, endpoint: str, name: str):
        import boto3

        keys = {"access_key_id": "key", "secret_access_key": "secret"}
        self.flags = [f"--s3_{key}={value}" for key, value in keys.items()]
        self.flags += [f"--s3_endpoint_url={endpoint}", "--s3_region_name=us-east-1"]
        keys = {f"aws_{key}": value for key, value in keys.items()}
        self.client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
        self.name, self.url = name, f"s3://{name}"
        self.client.create_bucket(Bucket=name)

    def names(self, folder: str = "") -> set[str]:
        """The objects below a folder."""
        listed = self.client.list_objects_v2(Bucket=self.name, Prefix=folder and f"{folder}/")
        return {found["Key"].removeprefix(f"{folder}/") for found in listed.get("Contents", ())}

    def read(self, name: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=name)["Body"].read()

    def contents(self, folder: str) -> dict[str, bytes]:
        """The objects below a folder with their bytes."""
        return {name: self.read(f"{folder}/{name}") for name in self.names(folder)}

    def put(self, name: str, data: bytes, **settings: str) -> None:
        self.client.put_object(Bucket=self.name, Key=name, Body=data, **settings)

    def key_that_may(self, *actions: str) -> list[str]:
        """The flags of another key, which may do these alone once the server asks what a key may do."""
        import boto3

        user, (_, _, endpoint, region) = f"user-{uuid.uuid4().hex}", self.flags
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        iam = boto3.client("iam", endpoint_url=endpoint.partition("=")[2], region_name="us-east-1", **keys)
        iam.create_user(UserName=user)
        allowed = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName=user, PolicyName="some", PolicyDocument=policy)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        own = [f"--s3_access_key_id={key['AccessKeyId']}", f"--s3_secret_access_key={key['SecretAccessKey']}"]
        return [*own, endpoint, region]


class Disk(FileSystem):
    """A file system with folders, on this machine, which behaves as Beam's HDFS does."""

    root: Path

    @classmethod
    def scheme(cls):
        return "disk"

    def _here(self, url):
        return Path(f"{self.root}{url.removeprefix('disk://root')}")

    def has_dirs(self):
        return True

    def _list(self, url):
        for path in self._here(url).iterdir():
            yield FileMetadata(f"{url}/{path.name}", path.stat().st_size, path.stat().st_mtime)

    def exists(self, url):
        return self._here(url).exists()

    def mkdirs(self, url):
        self._here(url).mkdir(parents=True)

    def open(self, url, mime_type="", compression_type=""):
        return open(self._here(url), "rb")

    def create(self, url, mime_type="", compression_type=""):
        return open(self._here(url), "xb")

    def rename(self, sources, targets):
        for source, target in zip(sources, targets, strict=True):
            assert not self.exists(target)
            self._here(source).rename(self._here(target))

    def delete(self, urls):
        for path in map(self._here, urls):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _unused(self, *_):
        raise NotImplementedError

    join = split = copy = size = last_updated = checksum = metadata = _unused
