"""The self-attention network of 1-bit tokens: the infinite one here, finite ones in `finite`."""
