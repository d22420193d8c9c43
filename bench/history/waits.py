"""What people wait for: labels, branches, networks, mean fields, trajectories."""

import numpy as np

import dmft
from dmft import diffusions, ising, spins, thermodynamics


class Attention:
    timeout = 300

    def setup(self):
        features = dmft.Features.paper(seed=1)
        self.model = dmft.SelfAttention(features, n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
        self.cycle = dmft.cycle(self.model.replace(beta=1.24), 4)

    def time_label(self):
        dmft.attractor(self.model, progress=False)

    def time_branch(self):
        dmft.branch(self.cycle, beta=(1.2, 1.3), progress=False)

    def time_sweep(self):
        dmft.sweep(self.model, beta=np.linspace(0, 3, 64), n_steps=5_000, n_rows=500, progress=False)

    def time_network(self):
        dmft.network(self.model, 2_000, n_sites=10**9, n_replicas=8, seed=1, progress=False)


class Ising:
    params = ("tap", "gaussian", "conditional")
    param_names = ("method",)

    def setup(self, method):
        self.model = ising.network("sk", 128, seed=1)
        self.spins = ising.trajectory(self.model, 2_000, seed=1)

    def time_mean_field(self, method):
        ising.MeanField(self.model, method).run(8, progress=False)

    def time_inference(self, method):
        ising.infer(self.spins, method, progress=False)


class Others:
    def setup(self):
        self.spins = spins.MeanField(spins.spin_network("gaussian", 128, 64, seed=1))
        self.dots = thermodynamics.agents.TwoDots().process
        self.lorenz = diffusions.CoupledLorenz()

    def time_fixed_point(self):
        self.spins.fixed_point(progress=False)

    def time_paths_of_jumps(self):
        self.dots.paths(1_000, 1_000.0, seed=1, progress=False)

    def time_lorenz(self):
        self.lorenz.paths(1_000, 1_000, 1e-3, seed=1, progress=False)
