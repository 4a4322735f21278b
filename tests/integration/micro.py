"""An encoder and a task that a process trains in seconds, as the config files of a user's own."""

from __future__ import annotations

__all__ = ["ENCODER", "TASK"]

ENCODER = """\
family: bert
recipe: from-scratch
architecture:
  {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32, max_position_embeddings: 66}
"""
TASK = """\
dataset: bundled/sentiment
text: text
head: classification
labels: [negative, positive]
metrics: [accuracy]
generated: {train_rows: 96, evaluation_rows: 40, label_noise: 0.05}
"""
