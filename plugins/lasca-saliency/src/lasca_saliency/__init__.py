"""Saliency methods: which features of a window are worth a word."""
