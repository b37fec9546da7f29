"""Our exported model translating a file, as TF Serving runs it, whose times are printed as one line of JSON."""

import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.command import run_command
from pipeline.lines import read_lines, readable
from serving.exports.export_folder import newest_version
from serving.servable import Servable


def decode_side(export: str, /, *, source: str, output: str, sentences_at_once: int | None = None) -> None:
    """Translates a file and prints the seconds of each request; loading and a first request come before the clock
    starts.

    Args:
        export: Folder of an export.
        source: File of sentences, one a line.
        output: File for the translations.
        sentences_at_once: Sentences in a request; by default all of them, which the graph sorts and divides.
    """
    with readable("--source", source):
        lines = np.array(list(read_lines(source)), object)
    begin = time.perf_counter()
    servable = Servable(newest_version(export), timeout=3600)
    load_seconds = time.perf_counter() - begin
    size = sentences_at_once or len(lines)
    batches = [lines[first : first + size] for first in range(0, len(lines), size)]
    servable.run("serving_default", {"text": batches[0][:64]})
    seconds, translations = [], []
    for batch in batches:
        begin = time.perf_counter()
        found = servable.run("serving_default", {"text": batch})["translation"]
        seconds.append(time.perf_counter() - begin)
        translations += list(found)
    Path(output).write_bytes(b"".join(line.replace(b"\n", b" ") + b"\n" for line in translations))
    measurement = {
        "load_seconds": load_seconds,
        "sentences": len(lines),
        "seconds": sum(seconds),
        "batch_seconds": seconds,
    }
    print(json.dumps(measurement))


if __name__ == "__main__":
    sys.exit(run_command(decode_side))
