"""Valid calls of informations, blankets and diffusions."""

import numpy as np

from dmft import diffusions, information
from dmft.information import Blanket, SparseLaw

from .calls import Call, call

PAIRS = np.array([[[0.1, 0.2], [0.05, 0.15]], [[0.15, 0.05], [0.2, 0.1]]])
PLANE = np.array([[0.4, 0.1], [0.1, 0.4]])
C = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.4], [0.2, 0.4, 1.0]])
SAMPLES = np.random.default_rng(0).normal(size=(120, 3)) @ np.linalg.cholesky(C).T
BITS = np.random.default_rng(0).integers(0, 2, (120, 3))
PARTS = {"X": 0, "Y": 2}
ALL = PARTS | {"B": 1}
BOOLS = {"states": {"its bools"}, "samples": {"its bools"}}
NONE_KNOWN = {"B": {"empty list", "empty array"}}
LINKS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
CHAIN = Blanket(0, 1, 2)

call("information.entropy")(lambda: Call(information.entropy, {"p": PAIRS, "sites": 0}))
call("information.entropies")(
    lambda: Call(information.entropies, {"p": PAIRS, "parts": {"a": 0, "b": 1}}, {"parts": {"dict"}})
)
call("information.cmi")(lambda: Call(information.cmi, {"p": PAIRS, **ALL}, NONE_KNOWN))
call("information.mutual_information")(lambda: Call(information.mutual_information, {"p": PAIRS, **PARTS}))
call("information.multi_information")(
    lambda: Call(information.multi_information, {"p": PAIRS, "parts": {"a": 0, "b": 1}}, {"parts": {"dict"}})
)
call("information.kl")(lambda: Call(information.kl, {"p": PLANE, "q": PLANE.T}))
call("information.product_kl")(lambda: Call(information.product_kl, {"p": PLANE * 2, "q": PLANE[::-1] * 2}))
call("information.SparseLaw")(
    lambda: Call(SparseLaw, {"states": np.array([[0, 1], [1, 1]]), "p": np.full(2, 0.5)}, BOOLS)
)
call("information.SparseLaw.from_samples")(lambda: Call(SparseLaw.from_samples, {"samples": BITS[:9]}, BOOLS))
call("information.SparseLaw.marginal")(lambda: Call(SparseLaw.from_samples(BITS).marginal, {"sites": 1}))
call("information.gaussian_entropy")(lambda: Call(information.gaussian_entropy, {"covariance": C, "sites": 0}))
call("information.gaussian_cmi")(lambda: Call(information.gaussian_cmi, {"covariance": C, **ALL}, NONE_KNOWN))
call("information.gaussian_mutual_information")(
    lambda: Call(information.gaussian_mutual_information, {"covariance": C, **PARTS})
)
call("information.gaussian_multi_information")(
    lambda: Call(
        information.gaussian_multi_information, {"covariance": C, "parts": {"a": 0, "b": 2}}, {"parts": {"dict"}}
    )
)
MEAN = np.array([0.1, 0.2, 0.3])
call("information.gaussian_kl")(
    lambda: Call(information.gaussian_kl, {"covariance": C, "other": C + np.eye(3), "mean": MEAN, "other_mean": -MEAN})
)
call("information.gaussian_cmi_estimate")(
    lambda: Call(
        information.gaussian_cmi_estimate, {"samples": SAMPLES, **ALL, "block": 1, "n_boot": 20, "seed": 1}, NONE_KNOWN
    )
)
call("information.neighbour_cmi")(
    lambda: Call(
        information.neighbour_cmi,
        {"samples": SAMPLES[:, :3].repeat(2, axis=0) + np.arange(240.0)[:, None] * 1e-3, **ALL, "k": 3, "jitter": True,
         "n_null": 2, "null_neighbours": 3, "seed": 1, "n_threads": 1},
        NONE_KNOWN,
    )
)  # fmt: skip
call("information.discrete_cmi_estimate")(
    lambda: Call(
        information.discrete_cmi_estimate,
        {"samples": BITS, **ALL, "block": 2, "n_boot": 20, "seed": 1},
        NONE_KNOWN | BOOLS,
    )
)
call("information.delayed")(lambda: Call(information.delayed, {"samples": SAMPLES, "lags": np.array([0, 2])}, BOOLS))
call("information.lagged_information")(
    lambda: Call(
        information.lagged_information, {"samples": SAMPLES, **ALL, "lag": 1, "method": "gaussian"}, NONE_KNOWN
    )
)
call("information.transfer_entropy")(
    lambda: Call(
        information.transfer_entropy,
        {"samples": SAMPLES, "source": 0, "target": 2, "condition": 1, "lag": 1, "history": 1, "method": "gaussian"},
        {"condition": NONE_KNOWN["B"]},
    )
)
call("information.Blanket")(
    lambda: Call(Blanket, {"internal": 0, "blanket": 1, "external": 2}, {"blanket": NONE_KNOWN["B"]}, "leave out no")
)
call("information.Blanket.between")(
    lambda: Call(Blanket.between, {"couplings": LINKS, "internal": 0, "external": 2}, {"couplings": {"its bools"}})
)
call("information.Blanket.check")(lambda: Call(CHAIN.check, {"couplings": LINKS}, {"couplings": {"its bools"}}))
call("information.Blanket.cmi")(lambda: Call(CHAIN.cmi, {"law": PAIRS}))
call("information.Blanket.gaussian_cmi")(lambda: Call(CHAIN.gaussian_cmi, {"covariance": C}))
call("information.Blanket.estimate")(lambda: Call(CHAIN.estimate, {"samples": SAMPLES, "method": "gaussian"}))
call("information.separators")(
    lambda: Call(
        lambda **given: list(information.separators(**given)), {"couplings": LINKS, "size": 1},
        {"couplings": {"its bools"}},
    )
)  # fmt: skip
call("information.screen")(
    lambda: Call(
        information.screen, {"couplings": LINKS, "size": 1, "information": lambda blanket: 0.0},
        {"couplings": {"its bools"}}, "takes 0 positional",
    )
)  # fmt: skip

# -- diffusions -------------------------------------------------------------------------------

PAIR = diffusions.CoupledLorenz(-0.5)
TURN = diffusions.Diffusion(lambda x: -x @ np.array([[1.0, 1.0], [-1.0, 1.0]]), np.ones(2))
RUN = {"n_steps": 4, "dt": 0.01, "every": 2, "scheme": "heun", "seed": 1, "n_threads": 1}
STATES = np.array([[0.1, 0.2], [0.3, 0.1]])
SIX = np.linspace(0.1, 1.0, 12).reshape(2, 6)
PATHS = np.random.default_rng(0).normal(size=(2, 30, 2))


def square(x):
    return (x**2).sum(axis=1)


def pull(x):
    return -x


call("diffusions.CoupledLorenz")(
    lambda: Call(
        diffusions.CoupledLorenz,
        {"coupling": -0.5, "sigma": 10.0, "rho": 28.0, "b": 2.0, "noise": np.ones(6), "kind": "one_way", "speed": 0.5},
        {"noise": {"1.7", "whole float", "2**63", "10**22"}},
    )
)
call("diffusions.CoupledLorenz.slow")(lambda: Call(diffusions.CoupledLorenz.slow, {"coupling": -0.4}))
call("diffusions.CoupledLorenz.drift")(lambda: Call(PAIR.drift, {"x": SIX}))
call("diffusions.CoupledLorenz.divergence")(lambda: Call(PAIR.divergence, {"x": SIX}))
call("diffusions.CoupledLorenz.paths")(
    lambda: Call(PAIR.paths, {"n_paths": 2, **RUN, "burn": 0.1, "start": SIX, "first_path": 3}, says="lower dt")
)
call("diffusions.Diffusion")(
    lambda: Call(diffusions.Diffusion, {"drift": pull, "noise": np.ones(2), "divergence": square})
)
call("diffusions.Diffusion.paths")(lambda: Call(TURN.paths, {"start": STATES, **RUN, "first_step": 2}, says="lower dt"))
call("diffusions.OrnsteinUhlenbeck")(
    lambda: Call(
        diffusions.OrnsteinUhlenbeck, {"pull": np.array([[1.0, 0.2], [0.1, 1.0]]), "diffusion": np.array([0.5, 1.0])}
    )
)
LINEAR = diffusions.OrnsteinUhlenbeck(np.eye(3) - 0.2 * LINKS, np.ones(3))
call("diffusions.OrnsteinUhlenbeck.cmi")(lambda: Call(LINEAR.cmi, {"blanket": CHAIN}))
call("diffusions.OrnsteinUhlenbeck.sample")(
    lambda: Call(LINEAR.sample, {"n_paths": 2, "n_steps": 3, "dt": 0.1, "seed": 1})
)
call("diffusions.entropy_production")(
    lambda: Call(diffusions.entropy_production, {"system": TURN, "samples": PATHS, "n_batches": 4})
)
call("diffusions.stationary_density")(
    lambda: Call(
        diffusions.stationary_density, {"samples": PATHS, "components": np.array([1]), "bins": 5, "n_batches": 4}
    )
)
