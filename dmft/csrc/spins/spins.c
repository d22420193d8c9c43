/* The vector spins of one instruction set; compiled once for each. */
#include "spins.h"

#include "mixing.h"
#include "rows.h"
#include "sampler.h"

#define EACH_VECTOR(p, n) for (ptrdiff_t p = 0; p < (n); p += WIDTH)

/* The last vector repeats its last element, so all elements see the same instructions. */
INLINE vec load(const double *from, ptrdiff_t first, ptrdiff_t n)
{
    vec x;
    if (first + WIDTH <= n) memcpy(&x, from + first, sizeof x);
    else for (int i = 0; i < WIDTH; i++) x[i] = from[first + i < n ? first + i : n - 1];
    return x;
}

INLINE void store(double *to, ptrdiff_t first, ptrdiff_t n, vec x)
{
    if (!to) return;
    if (first + WIDTH <= n) memcpy(to + first, &x, sizeof x);
    else for (int i = 0; i < WIDTH && first + i < n; i++) to[first + i] = x[i];
}

static void radial(ptrdiff_t n, double D, const double *x, double *ratio, double *over, double *slope, double *first,
                   double *second)
{
    EACH_VECTOR(p, n) {
        vec at = load(x, p, n);
        bessel b;
        if (second) b = bessel_of(D, at, BEND);
        else if (slope || first) b = bessel_of(D, at, SLOPE);
        else b = bessel_of(D, at, VALUE);
        store(ratio, p, n, b.ratio);
        store(over, p, n, b.over);
        if (slope) store(slope, p, n, b.over * b.rise);
        if (first) store(first, p, n, -b.over * b.drop);
        if (second) store(second, p, n, b.over * (b.drop * (b.drop + b.over) - b.next_over * b.next_drop));
    }
    leave_wide_registers();
}

static void inverse(ptrdiff_t n, double D, const double *y, double *x)
{
    EACH_VECTOR(p, n) store(x, p, n, inverse_of(D, load(y, p, n)));
    leave_wide_registers();
}

static void averages(ptrdiff_t n, double D, const Rule *rule, const double *t, const double *s, double *over,
                     double *slope, double *bend)
{
    EACH_VECTOR(p, n) {
        /* All three are even in t: what is so near to 0 is as if at 0, and may be divided by. */
        vec at = load(t, p, n), wide = load(s, p, n), least = 1e-4 * wide + 1e-100;
        averaged a = average_of(D, rule, where(at < least, least, at), wide, BEND);
        store(over, p, n, a.over);
        store(slope, p, n, a.slope);
        store(bend, p, n, a.bend);
    }
    leave_wide_registers();
}

const Spins ISA(dmft_spins) = {radial, inverse, response, averages, draw_rows,
                               residuals, combine};
