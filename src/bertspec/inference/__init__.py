"""Encoders at inference: predictions, latency, throughput, memory and energy."""
