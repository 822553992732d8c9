"""Frozen sentence encoders."""
