"""Acoustic features: what a voice sounds like, frame by frame."""
