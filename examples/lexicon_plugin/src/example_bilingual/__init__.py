"""An example of a lexicon of a third party."""
