"""Public corpora of affect, read from the layouts in which their owners distribute them."""
