"""Rows → token ids, made once and cached; token ids → batches."""
