"""An example of an encoder of a third party."""
