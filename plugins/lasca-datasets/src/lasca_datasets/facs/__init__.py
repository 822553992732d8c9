"""The synthetic dataset `facs`: tables of action units, made from published prototypes of emotions."""
