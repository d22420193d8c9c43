"""Find the sets of sites that separate a network, and ask which of them screen best.

Draws the network with its smallest separator, and I(X; Y | B) of all separators of a size, in equilibrium and out
of it.

Command: ``python examples/blanket_graph.py [--sites 12] [--beta 1.0] [--seed 1] [--out blanket_graph.png]``
Cost: 2 cpu-seconds.
"""

import argparse

import numpy as np

from dmft import figures
from dmft.information import Blanket, screen
from dmft.ising import KineticIsing, asymmetric_couplings, stationary_law


@figures.style()
def main():
    """Compute and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=12)
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="blanket_graph.png")
    args = parser.parse_args()

    # A ring with links to the next two sites: three or more sites have to be taken out to cut it.
    n, rng = args.sites, np.random.default_rng(args.seed)
    distance = abs(np.subtract.outer(np.arange(n), np.arange(n)))
    links = np.isin(np.minimum(distance, n - distance), (1, 2))
    noise = rng.normal(size=(n, n))
    smallest = Blanket.between(links, 0, n // 2)
    print("smallest separator of sites 0 and", n // 2, smallest.blanket)

    figure, ((left, right),) = figures.subplots(1, 2, height=3.0)
    parts = smallest.internal, smallest.blanket, smallest.external
    figures.blanket_graph(asymmetric_couplings(noise, 0.8, links=links), parts, ax=left)
    for phi in (0.0, 0.4, 1.2):
        model = KineticIsing(asymmetric_couplings(noise, phi, links=links), beta=args.beta, update="async")
        law = stationary_law(model).law
        found = screen(links, len(smallest.blanket), lambda blanket, law=law: blanket.cmi(law))
        best, information = found[0]
        print(f"phi = {phi}: {len(found)} separators; the best {best.blanket}, {information:.3g} nats")
        values = np.maximum([value for _, value in found], 1e-17)
        right.semilogy(values, ".", label=rf"$\varphi = {phi}$")
    right.set(xlabel="separators, best first", ylabel=r"$I(X; Y \mid B)$ (nats)")
    right.legend()
    figures.note(figure, f"{n} sites, beta = {args.beta:g}, one at a time; values below 1e-17 are drawn there")
    print(f"drew {figures.save(figure, args.out)}")


if __name__ == "__main__":
    main()
