"""Asymmetric kinetic Ising systems: simulation, mean-field theories, inference, entropy production."""
