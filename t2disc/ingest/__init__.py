"""From a folder of files to one checked multi-echo volume, or a coded refusal."""
