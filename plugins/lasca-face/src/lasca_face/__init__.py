"""Facial features: what a face does, frame by frame."""
