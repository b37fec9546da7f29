"""A data set of a store, brought to this machine, where trainings read it again and again."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.files import file_sha256, is_stored, write_beside
from pipeline.job import storage
from pipeline.job.credentials import require_credentials
from pipeline.job.runners import Runner
from pipeline.job.work_folder import require_free
from pipeline.report.verification import hashes
from pipeline.schema import MANIFEST_FILE, Manifest


def fetch(data: str, output: str | Path, beam_args: Sequence[str] = ()) -> int:
    """Copies a data set into a new folder of this machine, which is there when it is whole.

    Args:
        data: The data set's folder in the store, such as `s3://bucket/data`.
        output: The folder to make.
        beam_args: Apache Beam's own flags, such as `--s3_endpoint_url`.

    Returns:
        The count of files.

    Raises:
        UserError: There is no data set, a file is missing or not what the manifest says, or the output exists.
        OSError: The store cannot be read.
    """
    Runner(1, beam_args)
    if not is_stored(data):
        raise UserError(
            f"DATA: expected a data set of a store, as s3://bucket/data, received {data!r}; copy the folder"
        )
    if is_stored(str(output)):
        raise UserError(
            f"--output: expected a folder of this machine, received {str(output)!r}; copy from store to store by their"
            " own tools"
        )
    require_free(str(output))
    require_credentials([data])
    try:
        manifest = Manifest.from_json(storage.read_bytes(storage.join(data, MANIFEST_FILE)), data)
        with write_beside(output) as folder:
            folder.mkdir()
            return _copy(data, folder, hashes(manifest))
    except FileNotFoundError as error:
        raise UserError(
            f"DATA: expected a whole data set, received {data!r} without {error.filename}; make it anew"
        ) from None


def _copy(data: str, folder: Path, files: dict[str, str]) -> int:
    """Copies the manifest and the files that it names, each into the folder itself, and counts them."""
    names = sorted([*files, MANIFEST_FILE])
    for name in tqdm(names, desc="fetch", unit="file", disable=None):
        if name != Path(name).name:
            raise UserError(
                f"DATA: expected a manifest that names files of its folder, received {name!r} in {data!r}; make the"
                " data set anew"
            )
        storage.copy(storage.join(data, name), str(folder / name))
        if name in files and file_sha256(folder / name) != files[name]:
            raise UserError(
                f"DATA: expected {name} as the manifest describes it, received one that differs in {data!r}; make the"
                " data set anew"
            )
    return len(names)
