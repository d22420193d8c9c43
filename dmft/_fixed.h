/* m = tanh(a - v m), v >= 0: theta + v tanh(theta) = |a| has one root. The left side is concave
 * for theta >= 0 and the start max(|a|/(1+v), |a|-v) lies below the root, so Newton's steps
 * climb to it and never pass it. Started at theta = a, as one would, it may cycle for ever.
 * Newton's step overestimates nothing: the error after a step d is at most d^2, so from
 * d < CLOSE one third-order step and tanh's own expansion finish to rounding.
 */
#define CLOSE 2e-6
#define MAX_NEWTON 100 /* 4 to 7 are usual, v = 1e12 takes under 30 */

static ptrdiff_t fixed(ptrdiff_t n, const double *a, const double *v, double *out)
{
    ptrdiff_t n_bad = 0;
    EACH_VECTOR(p, n) {
        vec ap = load(a, p, n), vp = load(v, p, n), size = vabs(ap);
        vec theta = larger(size / (1.0 + vp), size - vp), m = splat(NAN);
        ivec busy = theta == theta; /* a NaN argument stays one, and is counted */
        for (int i = 0; i < MAX_NEWTON && any(busy); i++) {
            ratio r = tanh_ratio(theta);
            vec inverse = 1.0 / r.denominator, t = r.numerator * inverse;
            vec s = r.slope * (inverse * inverse);
            vec rise = 1.0 / (1.0 + vp * s);
            vec d = ((size - theta) - vp * t) * rise;
            ivec close = d < CLOSE;
            vec last = d * (1.0 + vp * s * t * rise * d);
            vec done = t + s * last * (1.0 - last * t);
            m = select(busy & close, done, m);
            theta = select(busy & ~close, theta + d, theta);
            busy &= ~close;
        }
        store(out, p, n, with_sign(m, ap));
        for (int i = 0; i < WIDTH && p + i < n; i++) n_bad += !(m[i] == m[i]);
    }
    return n_bad;
}
