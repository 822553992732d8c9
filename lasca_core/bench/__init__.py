"""Benchmarks: work of every stage timed beside a reference that does the same, and cost as recordings grow."""
