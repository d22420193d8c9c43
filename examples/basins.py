"""Which attractor each start of a plane leads to, where several coexist.

    python examples/basins.py [N_SIDE]

Runs N_SIDE x N_SIDE starts (default: 60), whose tokens all have attention (x, y, 0), at beta = 1.2738, prints the
attractors with the shares of their basins and draws basins.png. Seven cpu-seconds.
"""

import sys

import numpy as np

import dmft
from dmft import figures


@figures.style()
def main(n_side=60):
    """Run all starts side by side, draw where they end."""
    model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.2738, gamma=220.0, epsilon=0.02)
    side = np.linspace(-0.5, 0.5, n_side)
    windows = [np.tile([x, y, 0.0], (model.n_context, 1)) for x in side for y in side]
    found = dmft.attractors(model, starts=[dmft.Start.window(window) for window in windows], n_transient=100_000)
    print(found)
    figure, ((ax,),) = figures.subplots(width="column", height=3.2)
    names = [one.name for one in found][:7]
    index = np.where(found.index < 7, found.index, -1).reshape(n_side, n_side)
    ax.set_aspect("equal")
    figures.basin_map(side, side, index, names, ax=ax, x_label="first $A_1$", y_label="first $A_2$")
    figures.save(figure, "basins.png")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
