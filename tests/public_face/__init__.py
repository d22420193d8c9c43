"""Small valid calls of everything public, and the bad values that each argument is tried with."""
