"""The wheel: what it holds, and that it works from a folder whose packages have the same names."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from pipeline.schema import MANIFEST_FILE, Manifest

ROOT = Path(__file__).parents[1]
PACKAGES = ["pipeline", "models", "serving", "demo", "recipes"]
FILES = ["setup.py", "pyproject.toml", "LICENSE", "README.md", "nmt.py", "nmt_arguments.py"]

pytestmark = pytest.mark.slow


def pip(*argv: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *argv, "--no-deps", "--no-index", "--disable-pip-version-check", "--quiet"]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built of a copy, so that nothing is left in the tree."""
    copy = tmp_path_factory.mktemp("copy")
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "tests").mkdir()
    (copy / "tests" / "__init__.py").touch()
    pip("wheel", copy, "--no-build-isolation", "--wheel-dir", copy / "dist")
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `nmt` of a new environment that holds the wheel, and sees this one's other packages."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip("--python", python, "install", wheel)
    site = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    # A folder that a .pth file names is searched, but its own .pth files, such as an editable install's, are not read.
    (Path(site) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "nmt"


def test_wheel_holds_the_packages_and_the_recipes_alone(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {*PACKAGES, "nmt.py", "nmt_arguments.py"}
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for pattern in ("*.py", "*.yaml", "*.html", "*.config", "page/*")
        for path in (ROOT / package).rglob(pattern)
    }
    assert {name for name in names if "/" in name and ".dist-info/" not in name} == expected
    assert any(name.endswith("/LICENSE") for name in names)


def test_preprocess_beside_packages_of_the_same_names(command: Path, tmp_path: Path) -> None:
    for name in PACKAGES:
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").write_text("raise ImportError('a package of the working folder was imported')\n")
    words = ["red", "green", "blue", "old", "new", "small", "large", "house", "tree", "river"]
    lines = [f"the {a} and the {b} by the {c} ." for a in words for b in words for c in words]
    (tmp_path / "source").write_text("\n".join(lines) + "\n")
    (tmp_path / "target").write_text("\n".join(" ".join(reversed(line.split())) for line in lines) + "\n")
    options = "--source source --target target --output data --vocab-size 320 --shards 2 --workers 2"
    # PATH as with an activated environment: the workers are started by the name `python`.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment["PATH"] = f"{command.parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        [command, "preprocess", *options.split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    data = tmp_path / "data"
    manifest = Manifest.read_from(data)
    kept = sum(split.records for split in manifest.splits.values())
    assert manifest.read == len(lines) == kept + sum(manifest.rejected.values())
    assert kept > 0.9 * len(lines)
    shards = [shard for split in manifest.splits.values() for shard in split.shards]
    for shard in shards:
        assert hashlib.sha256((data / shard.file).read_bytes()).hexdigest() == shard.sha256
    subwords = {manifest.source.file, manifest.target.file}
    assert {MANIFEST_FILE, *subwords, *(shard.file for shard in shards)} <= {path.name for path in data.iterdir()}
