"""Numbers per disc and region, and their change between visits."""
