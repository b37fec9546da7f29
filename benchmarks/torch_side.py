"""One training by PyTorch, in bfloat16, run in its own environment, whose speed is printed as one line of JSON.

    python -m benchmarks.torch_side DECODER SYNTHETIC

SYNTHETIC is a `Synthetic` as a JSON object. DECODER is `loop`, the model of the `attention` recipe with a loop in
Python, or `cudnn`, the same without attention, so that the decoder too is one call of `torch.nn.LSTM`: what no
attention can be faster than.
"""

import json
import sys
import time
from typing import Any

import torch
from torch import nn

from benchmarks.synthetic import Synthetic
from models.config import ModelConfig
from pipeline.schema import DECODER_INPUT_IDS, PAD_ID, SOURCE_IDS


class AttentionDecoder(nn.Module):
    """LSTM cells in a loop over the target; the lowest reads the source before each step (Bahdanau 2015).

    Args:
        config: Sizes.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        units, memory_units = config.decoder_units, config.encoder_units
        inputs = [config.embedding_size + memory_units] + [units] * (config.decoder_layers - 1)
        self.cells = nn.ModuleList(nn.LSTMCell(width, units) for width in inputs)
        self.query = nn.Linear(units + config.embedding_size, config.attention_units, bias=False)
        self.keys = nn.Linear(memory_units, config.attention_units)
        self.score = nn.Linear(config.attention_units, 1, bias=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, embedded: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor, states: list) -> torch.Tensor:
        """From `embedded (batch, tgt_len, ...)` and `memory (batch, src_len, ...)` to states and contexts."""
        keys, outputs = self.keys(memory), []
        for step in embedded.unbind(1):
            query = self.query(torch.cat([states[0][0], step], dim=-1))
            scores = self.score(torch.tanh(keys + query[:, None])).squeeze(-1)
            weights = torch.softmax(scores.masked_fill(~mask, -1e9), dim=-1)
            context = torch.bmm(weights[:, None].to(memory.dtype), memory)[:, 0]
            inputs = torch.cat([step, context], dim=-1)
            for depth, cell in enumerate(self.cells):
                states[depth] = cell(self.dropout(inputs) if depth else inputs, states[depth])
                inputs = states[depth][0]
            outputs.append(torch.cat([inputs, context], dim=-1))
        return torch.stack(outputs, dim=1)


class Translator(nn.Module):
    """The encoder-decoder.

    Args:
        config: Sizes; the parts are those of the `attention` recipe.
        vocab_size: Count of source ids and of target ids.
        attention: Whether the decoder has attention.
    """

    def __init__(self, config: ModelConfig, vocab_size: int, attention: bool):
        super().__init__()
        size, units = config.embedding_size, config.decoder_units
        layers = {"batch_first": True, "dropout": config.dropout if config.encoder_layers > 1 else 0.0}
        self.source_embedding, self.target_embedding = nn.Embedding(vocab_size, size), nn.Embedding(vocab_size, size)
        half = config.encoder_units // 2
        self.encoder = nn.LSTM(size, half, config.encoder_layers, bidirectional=True, **layers)
        self.bridges = nn.ModuleList(nn.Linear(config.encoder_units, config.decoder_layers * units) for _ in range(2))
        self.attention = AttentionDecoder(config) if attention else None
        self.decoder = None if attention else nn.LSTM(size, units, config.decoder_layers, **layers)
        width = units + size + (config.encoder_units if attention else 0)
        self.readout, self.output = nn.Linear(width, size), nn.Linear(size, vocab_size)
        self.dropout, self.layers = nn.Dropout(config.dropout), config.decoder_layers

    def forward(self, source_ids: torch.Tensor, target_ids: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, tgt_len, vocab)`."""
        memory, ends = self.encoder(self.dropout(self.source_embedding(source_ids)))
        # Of the top layer, both directions side by side.
        ends = [torch.cat([end[-2], end[-1]], dim=-1) for end in ends]
        bridged = [torch.tanh(bridge(end)) for bridge, end in zip(self.bridges, ends, strict=True)]
        h, c = (each.view(len(each), self.layers, -1).transpose(0, 1) for each in bridged)
        embedded = self.dropout(self.target_embedding(target_ids))
        if self.attention:
            outputs = self.attention(embedded, memory, source_ids != PAD_ID, list(zip(h, c, strict=True)))
        else:
            assert self.decoder is not None
            outputs, _ = self.decoder(embedded, (h.contiguous(), c.contiguous()))
        return self.output(self.dropout(self.readout(torch.cat([outputs, embedded], dim=-1))))


def train(synthetic: Synthetic, attention: bool) -> dict[str, Any]:
    """Trains some steps and measures all but the first."""
    torch.manual_seed(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Translator(synthetic.model, synthetic.vocab_size, attention).to(device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    batches = [synthetic.batch(seed) for seed in range(4)]
    begin = 0.0
    for step in range(synthetic.warmup_steps + synthetic.steps):
        if step == synthetic.warmup_steps:
            begin = _now(device)
        inputs, targets = batches[step % 4]
        source, decoder_input, wanted = (
            torch.from_numpy(ids).to(device).long() for ids in (inputs[SOURCE_IDS], inputs[DECODER_INPUT_IDS], targets)
        )
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16):
            logits = model(source, decoder_input)
        loss_of(logits.float().flatten(0, 1), wanted.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return {
        "tokens_per_second": synthetic.steps * synthetic.tokens / (_now(device) - begin),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
    }


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Trains and prints the measurement."""
    decoder, synthetic = sys.argv[1:]
    print(json.dumps(train(Synthetic(**json.loads(synthetic)), decoder == "loop")))


if __name__ == "__main__":
    main()
