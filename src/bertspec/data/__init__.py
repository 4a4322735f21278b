"""Rows → token ids, computed once and cached; token ids → batches."""
