r"""How far rounding may put the derivatives of steps off, by the sizes of what they are sums of.

A derivative is :math:`w_d (\partial v_d + (v_d - A)\, \partial l_d)`, and for the newest token a sum over all. Values
of saturated tokens, or of tokens that are alike but for a small part, cancel in :math:`v_d - A`; scores are known to
their own rounding, and the weights of a steep softmax to no more relative digits.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .._util.checks import Role
from .axes import PARAMETERS
from .drive import ROLE_ORDER, given_overlaps, is_given
from .model import SelfAttention, gain
from .reference import softmax

ROUNDED = 2.0 * np.finfo(float).eps  # of every term; half of it of scores, which are sums of many
FAINT = 1e-307  # the least weight or slope that the kernel has, but for those that are 0


def row_errors(
    model: SelfAttention,
    classes: tuple[np.ndarray, Mapping[Role, np.ndarray]],
    values: Mapping[str, np.ndarray],
    attention: np.ndarray,
    rows: np.ndarray,
    phase: int = 0,
) -> np.ndarray:
    """Return estimates of how far the entries of rows may be off, of their shape.

    Parameters
    ----------
    model : SelfAttention
    classes : tuple
        Signs (n_classes, n_features), and couplings of those by role.
    values : dict of str to ndarray, shape (n_points,)
        beta, gamma, epsilon, and of a driven model strength.
    attention : ndarray, shape (n_points, n_steps, n_features)
        That the newest tokens of the steps are made of. What the first of them find older than it are those of the last
        ones, as on a cycle.
    rows : ndarray, shape (n_points, n_steps, n_context, n_features, n_features)
        The derivatives.
    phase : int, default=0
        Of the first step.
    """
    n_steps, n_context, n_features = rows.shape[1:4]
    signs, heads = classes[0], (model.n_heads, n_features // model.n_heads)
    beta, gamma, epsilon = (values[name][:, None, None] for name in PARAMETERS)
    made = phase + np.arange(n_steps)
    # Of every token: activities and slopes of the classes, and how large what they were made of is.
    field, reach = beta * (attention @ signs.T), beta * (np.abs(attention) @ np.abs(signs).T)
    decay = np.exp(-2.0 * np.abs(field))
    slope, activity = 4.0 * decay / (1.0 + decay) ** 2, np.tanh(field)
    about = np.abs(activity) + slope * reach
    slope = beta * (slope * (1.0 + 2.0 * reach) + FAINT / ROUNDED)
    left, given = 1.0 - epsilon, None
    if model.drive is not None:
        stage, strength = made % model.drive.n_tokens, values["strength"][:, None, None]
        given = left * strength * given_overlaps(model.features, model.drive)[stage].reshape(n_steps, -1)
        given = given.reshape(*given.shape[:2], len(ROLE_ORDER), n_features)
        left = left * (1.0 - strength * is_given(model.drive)[stage][:, None])
    share, each = np.abs(left), []
    roles: tuple[Role, ...] = ("query", "key", "value")
    for role in roles:
        coupling, more = classes[1][role], epsilon * model.features.position_field(role, n_context)[made % n_context]
        if given is not None:
            more = more + given[:, :, ROLE_ORDER.index(role)]
        size = np.abs(coupling)
        one = (left * (activity @ coupling) + more, share * (about @ size) + np.abs(more), share * (slope @ size))
        each.append([x.reshape(*x.shape[:2], *heads) for x in one])
    # By windows: (n_points, n_steps, n_context, n_heads, width) or one number in the place of the width.
    tokens = (np.arange(n_steps)[:, None] - np.arange(n_context)) % n_steps
    query, query_size, query_slope = (x[:, :, None] for x in each[0])
    (keys, key_size, key_slope), (vals, val_size, val_slope) = ([x[:, tokens] for x in those] for those in each[1:])
    steep = gain(gamma, n_features, model.n_heads)[..., None, None]
    weights = softmax(steep[..., 0] * (query * keys).sum(axis=-1))[..., None]
    blur = 1.0 + 0.5 * steep * (query_size * key_size).sum(axis=-1, keepdims=True)
    lean = np.abs(vals - (weights * vals).sum(axis=2, keepdims=True))
    doubt = val_size + (weights * val_size).sum(axis=2, keepdims=True)
    # That of the heaviest is made of the others.
    others = weights <= 0.5
    rest = np.where(others, weights * doubt, 0.0).sum(axis=2, keepdims=True)
    doubt = np.where(others, doubt, np.minimum(doubt, rest / np.maximum(weights, 0.5))) + lean
    weights = weights + FAINT / ROUNDED
    rise = steep * (query_size * key_slope).sum(axis=-1, keepdims=True)
    error = weights * (doubt * rise + val_slope)
    pulled = steep * (key_size * query_slope).sum(axis=-1, keepdims=True)
    error[:, :, 0] += (weights * (doubt + blur * lean) * pulled).sum(axis=2)
    error = error.reshape(rows.shape[:-1])[..., None] * np.abs(signs).max(axis=0)
    error += np.repeat(blur[..., 0], heads[1], axis=-1)[..., None] * np.abs(rows)
    error *= ROUNDED
    return error
