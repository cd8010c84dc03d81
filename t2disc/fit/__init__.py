"""T2 from signals: pure arrays in, values with standard errors and reasons out; knows nothing of discs or files."""
