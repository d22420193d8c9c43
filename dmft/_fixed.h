/* m = tanh(a - v m), v >= 0: theta + v tanh(theta) = |a| has one root. The left side is concave
 * for theta >= 0 and the start max(|a|/(1+v), |a|-v) lies below the root, so Newton's steps
 * climb to it and never pass it. Started at theta = a, as one would, it may cycle for ever.
 * Newton's step overestimates nothing: the error after a step d is at most d^2, so from
 * d < CLOSE one third-order step and tanh's own expansion finish to rounding.
 */
#define CLOSE 2e-6
#define MAX_NEWTON 100 /* 4 to 7 are usual, v = 1e12 takes under 30 */

/* NaN where it does not settle, or for a NaN argument. */
INLINE vec fixed_of(vec a, vec v)
{
    vec size = vabs(a), theta = larger(size / (1.0 + v), size - v), m = splat(NAN);
    ivec busy = theta == theta;
    for (int i = 0; i < MAX_NEWTON; i++) {
        ratio r = tanh_ratio(theta);
        vec inverse = 1.0 / r.denominator, t = r.numerator * inverse;
        vec s = r.slope * (inverse * inverse);
        vec rise = 1.0 / (1.0 + v * s);
        vec d = ((size - theta) - v * t) * rise;
        ivec close = d < CLOSE;
        vec last = d * (1.0 + v * s * t * rise * d);
        m = select(busy & close, t + s * last * (1.0 - last * t), m);
        busy &= ~close;
        if (!any(busy)) break;
        theta = select(busy, theta + d, theta);
    }
    return with_sign(m, a);
}

static ptrdiff_t fixed(ptrdiff_t n, const double *a, const double *v, double *out)
{
    ptrdiff_t n_bad = 0;
    EACH_VECTOR(p, n) {
        vec m = fixed_of(load(a, p, n), load(v, p, n));
        store(out, p, n, m);
        for (int i = 0; i < WIDTH && p + i < n; i++) n_bad += !(m[i] == m[i]);
    }
    return n_bad;
}

/* The means t of one spin given s_l = 1 and -1 of spins l of mean mu_l, its field g + rise_l x
   with x = s_l - mu_l: mean_l averages them over s_l, cov_l is the covariance with s_l. Its
   variance v_l stays and t is the fixed point, or (linear) it is v_l - (linear_l + square_l x) x
   and t the Gaussian mean; v_stride 0: one v for all. Below 0 it counts as 0. */
static void given(ptrdiff_t n, double g, const double *v, int v_stride, const double *rise,
                  const double *linear, const double *square, const double *mu, double log_eps,
                  double *mean, double *cov)
{
    EACH_VECTOR(p, n) {
        vec vp = v_stride ? load(v, p, n) : splat(*v), r = load(rise, p, n), m = load(mu, p, n);
        vec t[2];
        for (int side = 0; side < 2; side++) {
            vec x = (side ? -1.0 : 1.0) - m;
            if (linear) {
                vec spent = (load(linear, p, n) + load(square, p, n) * x) * x;
                t[side] = mean_of(g + r * x, larger(vp - spent, splat(0.0)), log_eps);
            } else {
                t[side] = fixed_of(g + r * x, larger(vp, splat(0.0)));
            }
        }
        store(mean, p, n, 0.5 * (t[0] * (1.0 + m) + t[1] * (1.0 - m)));
        store(cov, p, n, 0.5 * ((1.0 - m) * (1.0 + m)) * (t[0] - t[1]));
    }
}
