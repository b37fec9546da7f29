"""The versions in an export's folder: which there are, fewer of them, or an earlier one again."""

import shutil
import tempfile
from pathlib import Path

from pipeline.errors import UserError
from pipeline.files import write_beside

# What a version tells of itself.
EXPORT_FILE = "export.json"


def version_folders(export: str | Path) -> dict[int, Path]:
    """The folders EXPORT/<version>, finished or not, by version: a name of ASCII digits alone."""
    return {int(path.name): path for path in Path(export).glob("*") if path.name.isascii() and path.name.isdecimal()}


def complete_versions(export: str | Path) -> dict[int, Path]:
    """The folders EXPORT/<version> that hold a SavedModel, by version."""
    return {number: path for number, path in version_folders(export).items() if (path / "saved_model.pb").exists()}


def newest_version(export: str | Path) -> Path:
    """The folder EXPORT/<version> with the highest number that holds a SavedModel.

    Raises:
        UserError: There is none.
    """
    folder = Path(export)
    if versions := complete_versions(folder):
        return versions[max(versions)]
    if (folder / "saved_model.pb").exists():
        found = f"a version's own folder: give its parent, {str(folder.absolute().parent)!r}"
    else:
        found = "which holds no <version>/saved_model.pb; make one with `nmt export RUN --output EXPORT`"
    raise UserError(f"EXPORT: expected the folder of an export, received {str(export)!r}, {found}")


def whole_versions(export: str | Path) -> list[Path]:
    """The folders EXPORT/<version> that hold a SavedModel, the newest one last."""
    return [path for _, path in sorted(complete_versions(export).items())]


def next_version(export: str | Path) -> Path:
    """The folder of the next version: a number above that of every folder, finished or not."""
    return Path(export) / str(max(version_folders(export), default=0) + 1)


def remove_older(export: str | Path, keep: int) -> list[Path]:
    """Removes all versions but the newest.

    Args:
        export: The export's folder.
        keep: How many stay, at least 1.

    Returns:
        The folders that were removed.
    """
    older = whole_versions(export)[:-keep]
    for version in older:
        # Out of the server's sight first, so that it sees no version with half its files.
        with tempfile.TemporaryDirectory(prefix=".removed.", dir=export) as folder:
            version.rename(Path(folder) / version.name)
    return older


def rollback(export: str | Path) -> tuple[Path, Path]:
    """Makes the version before the newest one the newest, by a copy under the next number.

    TensorFlow Serving takes the highest number, so it goes back as it would go forth, without a pause.

    Args:
        export: The export's folder.

    Returns:
        The version that was copied, and the copy.

    Raises:
        UserError: There are not two versions.
    """
    versions = whole_versions(export)
    if len(versions) < 2:
        raise UserError(
            f"EXPORT: expected a folder with at least two versions, received {str(export)!r} with {len(versions)};"
            " export a run instead"
        )
    before, new = versions[-2], next_version(export)
    with write_beside(new) as folder:
        shutil.copytree(before, folder)
    return before, new
