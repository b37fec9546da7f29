"""Whether requests to a store can be signed, of which Beam says only after minutes of trying that they cannot."""

import contextlib
import logging
import time
from collections.abc import Iterable

from pipeline.corpora.filesystems import file_system_options
from pipeline.errors import UserError

_S3 = "s3://"
# The service that tells a machine its role answers late where many processes ask at once.
_TRIES, _SECONDS_BETWEEN = 3, 1.0


def require_credentials(paths: Iterable[str]) -> None:
    """Refuses names of S3 where there is nothing to sign with: no flags, no variables, no file, no role of the machine.

    Beam cannot ask S3 without a signature. Cloud Storage it asks without one where it finds no credentials.

    Args:
        paths: What is read and made.

    Raises:
        UserError: There are no credentials, or they cannot be used.
    """
    path = next((path for path in paths if path.startswith(_S3)), None)
    reason = _refusal() if path else ""
    if reason:
        raise UserError(
            f"-- --s3_access_key_id: expected credentials for {path!r}, received none that can be used ({reason}); give"
            " it and --s3_secret_access_key, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give"
            " the machine a role"
        )


def _refusal() -> str:
    """Why a request cannot be signed; empty if it can."""
    # What reads the file tells which extra is missing, or that the store's address is none.
    with contextlib.suppress(ImportError, ValueError):
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            _sign()
        except (BotoCoreError, ClientError, OSError) as error:
            return " ".join(str(error).split())
    return ""


def _sign() -> None:
    """Signs a request that is not sent, by Beam's own client."""
    from apache_beam.io.aws.clients.s3.boto3_client import Client
    from botocore.exceptions import NoCredentialsError

    # It tells the same, with a traceback.
    logging.getLogger("botocore.credentials").setLevel(logging.ERROR)
    for left in reversed(range(_TRIES)):
        try:
            Client(file_system_options()).client.generate_presigned_url("head_bucket", Params={"Bucket": "bucket"})
            return
        except NoCredentialsError:
            if not left:
                raise
            time.sleep(_SECONDS_BETWEEN)
