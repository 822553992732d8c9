"""An example of a dataset of a third party."""
