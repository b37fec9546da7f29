"""Translates a file with OpenNMT-py, in its own environment, and prints its times as one line of JSON.

    python opennmt_translate.py MODEL SOURCE OUTPUT SENTENCES_AT_ONCE

SOURCE and OUTPUT are lines of pieces. The model is loaded, and one batch translated, before the clock starts. The file
is then translated whole, as `onmt_translate` does it: sorted by length, in batches, with a beam of 5 and everything
else at its default.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from onmt.inference_engine import InferenceEnginePY
from onmt.opts import translate_opts
from onmt.utils.parse import ArgumentParser

BEAM_SIZE = 5
# Since torch 2.6 a checkpoint that holds its options, as OpenNMT-py's do, is refused without this.
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"


def load(model: str, source: str, sentences_at_once: int) -> InferenceEnginePY:
    """Loads a checkpoint as `onmt_translate` does."""
    parser = ArgumentParser()
    translate_opts(parser)
    options: dict[str, Any] = {
        "model": model,
        "src": source,
        "output": os.devnull,
        "beam_size": BEAM_SIZE,
        "batch_size": sentences_at_once,
    }
    parsed = parser.parse_args([word for name, value in options.items() for word in (f"--{name}", str(value))])
    ArgumentParser.validate_translate_opts(parsed)
    ArgumentParser._get_all_transform_translate(parsed)
    ArgumentParser._validate_transforms_opts(parsed)
    ArgumentParser.validate_translate_opts_dynamic(parsed)
    return InferenceEnginePY(parsed)


def timed_batches(engine: InferenceEnginePY) -> list[float]:
    """Makes the engine note how long each batch takes from now on, in seconds."""
    seconds, translate = [], engine.translator.translate_batch

    def timed(*arguments: Any, **options: Any) -> Any:
        begin = time.perf_counter()
        found = translate(*arguments, **options)
        seconds.append(time.perf_counter() - begin)
        return found

    engine.translator.translate_batch = timed
    return seconds


def main() -> None:
    """Translates and prints the measurement."""
    model, source, output, sentences_at_once = *sys.argv[1:4], int(sys.argv[4])
    begin = time.perf_counter()
    engine = load(model, source, sentences_at_once)
    load_seconds = time.perf_counter() - begin
    lines = Path(source).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    engine.infer_list(lines[:sentences_at_once])
    batch_seconds = timed_batches(engine)
    begin = time.perf_counter()
    _, predictions = engine.infer_list(lines)
    seconds = time.perf_counter() - begin
    Path(output).write_text("".join(f"{best[0]}\n" for best in predictions), encoding="utf-8")
    measurement = {
        "load_seconds": load_seconds,
        "sentences": len(lines),
        "seconds": seconds,
        "batch_seconds": batch_seconds,
    }
    print(json.dumps(measurement))


if __name__ == "__main__":
    main()
