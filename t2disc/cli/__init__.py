"""One thin function per command; logging and exit codes live here and nowhere else."""
