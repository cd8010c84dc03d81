"""Every byte t2disc writes passes through here: whole or absent, never torn."""
