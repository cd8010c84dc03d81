"""A lumbar spine with known truth, written as real DICOM in the manner of each vendor."""
