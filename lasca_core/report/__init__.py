"""What a person looks at when a run has finished: a self-contained HTML page, and figures and tables for a paper."""
