"""Which visits exist, in which order; the story of one visit and of a pair of visits."""
