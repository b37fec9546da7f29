"""A trace of training steps, for TensorBoard, and how long a step waits for its batch."""

import dataclasses
import shutil
import sys
from pathlib import Path

import keras

from benchmarks import corpus
from benchmarks.command import run_command
from benchmarks.places import RECIPE, Places
from benchmarks.train_side import compile_model, shipped_recipe
from pipeline.errors import UserError
from pipeline.reading.dataset import batches
from pipeline.schema import TRAIN, Manifest

# The operation itself returns at once and waits in the background.
_NEXT_BATCH = "IteratorGetNextOp::DoCompute"


def bench_trace(places: Places, /, *, steps: int = 50, warmup_steps: int = 20) -> None:
    """Traces training steps of the `attention` recipe and prints how long they waited for their batches.

    Args:
        steps: Steps that are traced.
        warmup_steps: Steps before them.
    """
    corpus.prepare(places)
    folder, total = places.below("trace"), warmup_steps + steps
    shutil.rmtree(folder, ignore_errors=True)
    recipe, manifest = shipped_recipe(RECIPE), Manifest.read_from(places.data)
    dataset = batches(places.data, TRAIN, **dataclasses.asdict(recipe.batching), seed=1, epochs=1000)
    model = compile_model("ours", recipe, manifest, total)
    traced = keras.callbacks.TensorBoard(folder, write_graph=False, profile_batch=(warmup_steps + 1, total))
    model.fit(dataset, steps_per_epoch=total, epochs=1, callbacks=[traced], shuffle=False, verbose=0)
    waits, seconds = read_waits(folder)
    print(f"{seconds * 1e3:.1f} ms a step, of which {sum(waits) / steps * 1e3:.3f} ms waiting for the batch")
    print(f"longest wait {max(waits) * 1e3:.3f} ms; the trace is in {folder}: tensorboard --logdir {folder}")


def read_waits(folder: Path) -> tuple[list[float], float]:
    """The seconds of each wait for a batch, and those from one to the next in the mean: of a step.

    Raises:
        UserError: There is no trace of two batches.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    waits = []
    for path in folder.glob("**/*.xplane.pb"):
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
        for plane in (plane for plane in space.planes if "CPU" in plane.name):
            for line in plane.lines:
                for event in line.events:
                    if plane.event_metadata[event.metadata_id].name == _NEXT_BATCH:
                        begin = line.timestamp_ns * 1e-9 + event.offset_ps * 1e-12
                        waits.append((begin, event.duration_ps * 1e-12))
    if len(waits) < 2:
        raise UserError(f"--work: expected a trace of two batches or more in {folder}, received {len(waits)}")
    begins, durations = zip(*sorted(waits), strict=True)
    return list(durations), (begins[-1] - begins[0]) / (len(waits) - 1)


if __name__ == "__main__":
    sys.exit(run_command(bench_trace))
