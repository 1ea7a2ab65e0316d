"""What every deployment promises, whichever engine runs it: one function per claim."""
