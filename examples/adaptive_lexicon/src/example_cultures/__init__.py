"""An example of a lexicon of a third party: cultures on top of a base."""
