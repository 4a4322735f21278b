"""A fine-tuned encoder in use: what it says about texts, and how fast an encoder answers."""
