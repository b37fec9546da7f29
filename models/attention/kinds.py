"""The kinds of attention by name."""

from typing import Any

from models.attention.additive import AdditiveAttention
from models.attention.base import Attention
from models.attention.coverage import CoverageAttention
from models.attention.dot import DotAttention
from models.attention.local import LocalAttention
from models.attention.multi_head import MultiHeadAttention
from models.config import ModelConfig


def make_attention(config: ModelConfig) -> Attention | None:
    """The attention layer of `model.attention`; `none` has none."""
    kind, units = config.attention, config.attention_units
    common: dict[str, Any] = {"asks_with_input": config.attention_query == "state-and-input", "name": "attention"}
    if kind in ("additive", "normalized-additive"):
        return AdditiveAttention(units, normalized=kind != "additive", **common)
    if kind in ("dot", "scaled-dot", "general"):
        return DotAttention(kind == "general", scaled=kind == "scaled-dot", **common)
    if kind == "coverage":
        return CoverageAttention(units, **common)
    if kind == "multi-head":
        return MultiHeadAttention(units, config.attention_heads, **common)
    return LocalAttention(config.attention_window, **common) if kind == "local" else None
