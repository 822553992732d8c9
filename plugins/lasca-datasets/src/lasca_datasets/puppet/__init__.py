"""The puppet: a portrait and a voice that act out a known valence and arousal. Synthetic throughout."""
