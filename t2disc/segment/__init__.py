"""Which voxels belong to which disc and to which region of it."""
