"""Lexicons: what each feature shows, in words."""
