"""One function for each promise: it tries to break it and returns the figure of what happened."""
