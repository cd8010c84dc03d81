"""What to run, and running it: one bad visit never stops the others."""
