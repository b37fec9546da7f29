"""What a model makes of the sample sentences after each epoch, for TensorBoard."""

from pathlib import Path
from typing import Any

import keras

from models.training.plots import plot_attention, to_png
from models.training.samples import Sample, Samples


class SampleLog(keras.callbacks.Callback):
    """Writes the samples' translations and their attention, at the steps of Keras's own curves: the first epoch is 0.

    Args:
        folder: Where the events go.
        samples: The sentences, and how they are translated.
    """

    def __init__(self, folder: Path, samples: Samples):
        super().__init__()
        self.folder, self.samples = folder, samples

    def on_train_begin(self, logs: Any = None) -> None:
        """Begins a file of events, beside those of a run's earlier parts."""
        # TensorBoard's files are TensorFlow's, whatever the backend.
        import tensorflow as tf

        self.writer = tf.summary.create_file_writer(str(self.folder))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Translates and writes."""
        import tensorflow as tf

        with self.writer.as_default(step=epoch):
            for number, sample in enumerate(self.samples.translate(), start=1):
                tf.summary.text(f"sample {number}", _as_code(epoch + 1, sample))
                if sample.attention is not None:
                    figure = plot_attention(sample.attention, sample.source_pieces, sample.target_pieces)
                    tf.summary.image(f"attention of sample {number}", tf.io.decode_png(to_png(figure))[None])
        self.writer.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Ends the file."""
        self.writer.close()


def _as_code(epoch: int, sample: Sample) -> str:
    """A sample in Markdown, as code: no sign of it is then one of Markdown."""
    lines = {"source": sample.source, "reference": sample.reference, f"epoch {epoch}": sample.translation}
    return "\n".join(f"    {name:<10}{line}" for name, line in lines.items())
