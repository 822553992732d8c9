"""`lasca sweep`: many configurations from one file, what they share computed once, and the tables they end in."""
