"""The polynomials of the ratio's expansion, derived with fractions."""

from fractions import Fraction


def add(a, b, scale=1):
    pad = max(len(a), len(b))
    return [x + scale * y for x, y in zip(a + [0] * (pad - len(a)), b + [0] * (pad - len(b)), strict=True)]


def multiply(a, b):
    out = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[i + j] += x * y
    return out


def over_one_minus_q(a):
    quotient, carry = [], Fraction(0)
    for x in a:
        carry += x
        quotient.append(carry)
    assert quotient[-1] == 0, "1 - q divides it"
    return quotient[:-1]


def expansion(n_terms):
    """Return p_k and f_k, k = 1 .. n_terms, as lists of coefficients of q^1, q^2, ...; see expansion.h."""
    w = [[Fraction(1), Fraction(-1)]]  # w = sum_k S^(1-k) w_k(q)

    def flow(k):  # x d/dx of S^n f(q) is S^n (1 - q^2) (n f - q f')
        f, n = w[k], 1 - k
        slope = [Fraction(0), *[i * c for i, c in enumerate(f)][1:]]
        return multiply([Fraction(1), Fraction(0), Fraction(-1)], add([n * c for c in f], slope, -1))

    for k in range(n_terms):
        right = add(w[k], flow(k), -1)
        for i in range(1, k + 1):
            right = add(right, multiply(w[i], w[k + 1 - i]), -1)
        w.append([c / 2 for c in right])
    p = [over_one_minus_q(each) for each in w]
    f = [over_one_minus_q(over_one_minus_q(add([2 * c for c in w[k]], flow(k), -1))) for k in range(n_terms + 1)]
    return [each[1:] for each in p[1:]], [each[1:] for each in f[1:]]
