"""The dataset `table`: features that were extracted before, in files with named columns."""
