"""Dynamics of any map: exponents, statistics, labels, cycles; no system is known here."""
