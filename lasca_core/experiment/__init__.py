"""The order of things: from configuration to pipeline, evaluation and saved model."""
