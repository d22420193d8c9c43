"""Runs of each kind, small, into a folder; resumed if it is there."""

import numpy as np
from chain import Chain

import dmft
from dmft.attention.finite.sweep_job import NetworkSweep

MODEL = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
SHORT = {"n_steps": 40, "n_transient": 20, "n_rows": 5}


def sweep(**how):
    """A grid."""
    return dmft.sweep(MODEL, beta=np.linspace(0.5, 1.5, 24), block=2, **SHORT, **how)


def follow(**how):
    """Branches in stretches."""
    return dmft.follow(MODEL, beta=np.linspace(0.9, 1.3, 15), block=4, **SHORT, **how)


def refine(**how):
    """A diagram from coarse to fine."""
    axes = {"beta": np.linspace(0.5, 1.6, 9), "gamma": np.linspace(60, 260, 9)}
    return dmft.refine(MODEL, coarse=4, block=3, n_steps=60, n_transient=20, n_exponents=1, **axes, **how)


def network(**how):
    """Finite networks."""
    job = NetworkSweep(model=MODEL, n_sites=99, n_steps=30, n_transient=10, n_replicas=3, seed=7)
    return dmft.scan(job, beta=np.linspace(0.5, 1.5, 20), block=2, **how)


def scan(**how):
    """Blocks that come one after the other."""
    return dmft.scan(Chain(), up=[1, 0], a=np.linspace(0.1, 2.0, 31), block=2, **how)


KINDS = {"sweep": sweep, "follow": follow, "refine": refine, "network": network, "scan": scan}
