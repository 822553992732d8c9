"""Datasets: annotated recordings from a manifest, and the synthetic puppet."""
