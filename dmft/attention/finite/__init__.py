"""Finite self-attention networks: sampled exactly, and what noise does to the dynamics."""
