"""An example of a learner of a third party."""
