"""Pictures from finished data; each verb returns a matplotlib Figure and touches no file."""
