"""A page that shows what a model does over a sentence."""

import json
import re
import string
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from models.decoding.search import search
from models.inspection import Trace, observe
from models.run import RunConfig, load_model, load_shortlist
from pipeline.errors import UserError
from pipeline.files import write_beside
from pipeline.protected import COUNT, SYMBOL, SYMBOLS
from pipeline.schema import PAD_ID
from serving.graph.placeholders import mask, repair
from serving.graph.translator import load_tokenizers

_PAGE = Path(__file__).with_name("inspection.html")
_DIGITS = 3


def inspect(run: str, text: str, output: str) -> str:
    """Translates a sentence, and writes the page.

    Args:
        run: The folder of a run.
        text: The sentence.
        output: The HTML file.

    Returns:
        The translation.

    Raises:
        UserError: The folder is no run, or the text is blank or longer than the model takes in one part.
    """
    config = RunConfig.read_from(run)
    source, target = load_tokenizers(run, config)
    decoding = config.recipe.decoding
    if not text.strip():
        raise UserError(f"--text: expected a sentence, received {text!r}; give one with words")
    masked, spans = _masked(text, config.protected)
    source_ids = source.tokenize([masked]).to_tensor().numpy()
    pieces = source_ids.shape[1]
    if pieces > decoding.max_source_length:
        raise UserError(f"--text: expected at most {decoding.max_source_length} pieces, received {pieces}; shorten it")
    model, shortlist = load_model(run), load_shortlist(run, decoding)
    ids = search(model, source_ids, decoding, shortlist=shortlist).ids
    hypothesis = np.array(repair(source_ids, ids, target.space) if config.protected else ids)[0, 0]
    target_ids = hypothesis[hypothesis != PAD_ID]
    observation = observe(model, source_ids[0], target_ids)
    translation = re.sub(SYMBOL, lambda symbol: spans.get(symbol[0], symbol[0]), target.text(target_ids))
    shown = {
        "text": text,
        "translation": translation,
        "source": [spans.get(piece, piece) for piece in source.spell(source_ids[0].tolist())],
        "target": [spans.get(piece, piece) for piece in target.spell(target_ids.tolist())],
        "encoder": [_shown(trace) for trace in observation.encoder],
        "decoder": [_shown(trace) for trace in observation.decoder],
        "attention": None if observation.attention is None else _rounded(observation.attention),
    }
    # No text may end the script.
    data = json.dumps(shown, ensure_ascii=False).replace("<", "\\u003c")
    with write_beside(Path(output)) as path:
        path.write_text(string.Template(_PAGE.read_text("utf-8")).substitute(data=data), "utf-8")
    return translation


def _masked(text: str, protected: str) -> tuple[str, dict[str, str]]:
    """The text with placeholders, and what they stand for."""
    if not protected:
        return text, {}
    masked, spans = mask(tf.constant([text]), protected)
    spans = [span.decode() for span in spans.values.numpy()]
    if len(spans) > COUNT:
        raise UserError(f"--text: expected at most {COUNT} placeholders, received {len(spans)}; shorten it")
    return masked.numpy()[0].decode(), dict(zip(SYMBOLS, spans, strict=False))


def _shown(trace: Trace) -> dict[str, Any]:
    gates = {name: _rounded(openings) for name, openings in trace.gates.items()}
    return {"name": trace.name, "state": _rounded(trace.state), "gates": gates}


def _rounded(array: np.ndarray) -> list[Any]:
    return np.round(array.astype("float64"), _DIGITS).tolist()
