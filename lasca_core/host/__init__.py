"""What surrounds plugins: discovery, options, the runtime, pretrained weights, the store."""
