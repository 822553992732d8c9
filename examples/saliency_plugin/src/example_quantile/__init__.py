"""An example of a saliency method of a third party."""
