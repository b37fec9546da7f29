"""The files of settings that TensorFlow Serving reads, beside the versions that it serves."""

from pathlib import Path

from pipeline.files import write_beside

CONFIGS = ("batching.config", "models.config", "monitoring.config")


def write_configs(export: str | Path) -> list[Path]:
    """Writes those of `CONFIGS` that an export has not yet: they are for whoever runs the server to change.

    TensorFlow Serving takes names that are numbers for versions, and passes over all others.

    Args:
        export: The export's folder.

    Returns:
        What was written.
    """
    missing = [Path(export) / name for name in CONFIGS if not (Path(export) / name).exists()]
    for path in missing:
        with write_beside(path) as written:
            written.write_bytes(Path(__file__).with_name(path.name).read_bytes())
    return missing
