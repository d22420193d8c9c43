"""Periodic orbits of any map: cycles, their multipliers, branches of them, bifurcations with normal forms."""
