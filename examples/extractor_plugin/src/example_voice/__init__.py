"""An example of an extractor of a third party."""
