"""What every room may use: argument checks, threads, signals, the instruction set, symbols."""
