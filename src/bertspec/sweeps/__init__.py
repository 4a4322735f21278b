"""Sweeps: trials of a sweep file, proposed, run and kept on this machine."""
