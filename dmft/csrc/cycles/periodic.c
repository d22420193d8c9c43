/* The perturbation of a cycle that is periodic under a periodic drive, or that a turn multiplies by a factor mu: linear
 * equations round the cycle.
 *
 * Steps are joined to segments that renew the whole window, w(k + 1) = P(k) w(k) + q(k), the last as long as is left.
 * One window after the other is eliminated between its two neighbours by an orthogonal factorisation (Wright, SIAM J. Sci.
 * Stat. Comput. 13 (1992) 742): stable whatever grows or decays along the cycle. The turn closes last, w(n) = mu w(0), so
 * that mu may be complex while all else is real: real and imaginary parts are columns of their own. A border, a few more
 * unknowns v that drive all steps by given amounts, and as many equations between them and all vectors, rides along.
 *
 * Columns of the rows below: the window that is eliminated, w(0), the window after it, v, the right sides.
 */
#include <math.h>
#include <string.h>

#include "cycles.h"

static ptrdiff_t n_segments(ptrdiff_t n_steps, ptrdiff_t n_context) { return (n_steps + n_context - 1) / n_context; }

size_t dmft_periodic_work(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_right, ptrdiff_t n_border,
                          ptrdiff_t n_parts)
{
    const size_t n = n_segments(n_steps, size / n_features), rows = n_border * n_parts;
    const size_t more = (n_border + n_right) * n_parts, all = 3 * size + more, n_end = (size + n_border) * n_parts;
    /* kept rows, pairs of rows, a segment, normals of all windows, what they leave of v and the right sides, windows, the
       last equations and their solutions, reflections */
    return n * size * all + 2 * size * all + size * (size + more) + rows * (n + 1) * size + rows * more
           + (n + 1) * size * n_right * n_parts + n_end * (n_end + n_right) + n_end * n_right + 2 * size + n_end + all
           + n_end + n_right;
}

/* Solve r x = b for the columns of b, r the triangle in rows `stride` apart. */
static void back_substitute(ptrdiff_t n, ptrdiff_t stride, const double *r, ptrdiff_t n_right, double *b)
{
    for (ptrdiff_t i = n - 1; i >= 0; i--)
        for (ptrdiff_t c = 0; c < n_right; c++) {
            double sum = b[i * n_right + c];
            for (ptrdiff_t k = i + 1; k < n; k++) sum -= r[i * stride + k] * b[k * n_right + c];
            b[i * n_right + c] = sum / r[i * stride + i];
        }
}

/* Take into a determinant, its sign and the logarithm of its modulus, that of an orthogonal factorisation. */
static void take_volume(ptrdiff_t n, ptrdiff_t stride, const double *r, ptrdiff_t n_reflections, double *volume)
{
    if (!volume) return;
    if (n_reflections % 2) volume[0] = -volume[0];
    for (ptrdiff_t i = 0; i < n; i++) {
        if (r[i * stride + i] < 0.0) volume[0] = -volume[0];
        volume[1] += log(fabs(r[i * stride + i]));
    }
}

int dmft_solve_periodic(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_right, ptrdiff_t n_border,
                        ptrdiff_t n_parts, const double *factor, const double *top, const double *right,
                        const double *drive, const double *given, double *out, double *volume, double *work,
                        int (*stopped)(void *), void *crew)
{
    const ptrdiff_t n_context = size / n_features, n = n_segments(n_steps, n_context), length = n_steps * n_features;
    const ptrdiff_t n_last = n_steps - (n - 1) * n_context, whole = length + n_border;
    const ptrdiff_t n_v = n_border * n_parts, n_sides = n_right * n_parts, more = n_v + n_sides, all = 3 * size + more;
    const ptrdiff_t n_complex = size + n_border, n_end = n_complex * n_parts, n_end_all = n_end + n_right;
    double *kept = work, *pair = kept + n * size * all, *state = pair + 2 * size * all;
    double *normal = state + size * (size + more), *sides = normal + n_v * (n + 1) * size;
    double *window = sides + n_v * more, *last = window + (n + 1) * size * n_sides;
    double *x = last + n_end * n_end_all, *v = x + n_end * n_right;
    const double mu = factor[0], mu_imag = n_parts == 2 ? factor[1] : 0.0;

    /* The tokens of segment k are the newest rows of the window after it. */
    if (volume) volume[0] = 1.0, volume[1] = 0.0;
    memset(normal, 0, n_v * (n + 1) * size * sizeof *normal);
    memset(sides, 0, n_v * more * sizeof *sides);
    for (ptrdiff_t e = 0; e < n_v; e++)
        for (ptrdiff_t t = 0; t < n_steps; t++) {
            const ptrdiff_t k = t / n_context, n_here = k == n - 1 ? n_last : n_context;
            const ptrdiff_t row = n_here - 1 - t % n_context;
            memcpy(normal + (e * (n + 1) + k + 1) * size + row * n_features, given + e * whole + t * n_features,
                   n_features * sizeof *normal);
        }

    for (ptrdiff_t k = 0; k < n; k++) {
        if (stopped(crew)) return 1;
        /* The segment: P(k), what v drives, what the right sides drive. */
        const ptrdiff_t wide = size + more, n_here = k == n - 1 ? n_last : n_context;
        memset(state, 0, size * wide * sizeof *state);
        for (ptrdiff_t i = 0; i < size; i++) state[i * wide + i] = 1.0;
        for (ptrdiff_t i = 0; i < n_here; i++) {
            const ptrdiff_t t = k * n_context + i;
            double *restrict new = pair; /* not in use yet */
            for (ptrdiff_t a = 0; a < n_features; a++) {
                for (ptrdiff_t c = 0; c < wide; c++) new[a * wide + c] = 0.0;
                for (ptrdiff_t b = 0; b < size; b++) {
                    const double entry = top[(t * n_features + a) * size + b];
                    for (ptrdiff_t c = 0; c < wide; c++) new[a * wide + c] += entry * state[b * wide + c];
                }
                for (ptrdiff_t e = 0; e < n_v; e++) new[a * wide + size + e] += drive[e * length + t * n_features + a];
                for (ptrdiff_t c = 0; c < n_sides; c++)
                    new[a * wide + size + n_v + c] += right[c * whole + t * n_features + a];
            }
            memmove(state + n_features * wide, state, (size - n_features) * wide * sizeof *state);
            memcpy(state, new, n_features * wide * sizeof *state);
        }
        /* Between w(0) and w(k + 1): the lower half of the pair after an elimination, at first the segment itself. */
        double *lower = pair + size * all;
        if (k > 0) {
            const double *before = kept + (k - 1) * size * all; /* [0 | G | H | z | g] as it was left */
            for (ptrdiff_t i = 0; i < size; i++) {
                double *up = pair + i * all, *low = lower + i * all;
                const double *old = before + i * all, *new = state + i * wide;
                memcpy(up, old + 2 * size, size * sizeof *up);
                memcpy(up + size, old + size, size * sizeof *up);
                memset(up + 2 * size, 0, size * sizeof *up);
                memcpy(up + 3 * size, old + 3 * size, more * sizeof *up);
                for (ptrdiff_t c = 0; c < size; c++) low[c] = -new[c];
                memset(low + size, 0, 2 * size * sizeof *low);
                low[2 * size + i] = 1.0;
                for (ptrdiff_t e = 0; e < n_v; e++) low[3 * size + e] = -new[size + e];
                memcpy(low + 3 * size + n_v, new + size + n_v, n_sides * sizeof *low);
            }
            take_volume(size, all, pair, dmft_triangularise(2 * size, size, all, pair, v), volume);
            /* The dense equations lose w(k) too. */
            for (ptrdiff_t e = 0; e < n_v; e++) {
                double *first = normal + e * (n + 1) * size, *row = first + k * size, *after = row + size;
                for (ptrdiff_t i = 0; i < size; i++) { /* y r = normal, and what y takes out of the others */
                    const double *up = pair + i * all, part = row[i] / up[i];
                    for (ptrdiff_t c = i + 1; c < size; c++) row[c] -= part * up[c];
                    for (ptrdiff_t c = 0; c < size; c++) first[c] -= part * up[size + c];
                    for (ptrdiff_t c = 0; c < size; c++) after[c] -= part * up[2 * size + c];
                    for (ptrdiff_t c = 0; c < more; c++) sides[e * more + c] -= part * up[3 * size + c];
                }
            }
            memcpy(kept + (k - 1) * size * all, pair, size * all * sizeof *pair);
            memcpy(kept + k * size * all, lower, size * all * sizeof *pair);
        } else {
            double *first = kept;
            for (ptrdiff_t i = 0; i < size; i++) {
                double *row = first + i * all;
                const double *new = state + i * wide;
                memset(row, 0, all * sizeof *row);
                for (ptrdiff_t c = 0; c < size; c++) row[size + c] = -new[c];
                row[2 * size + i] = 1.0;
                for (ptrdiff_t e = 0; e < n_v; e++) row[3 * size + e] = -new[size + e];
                memcpy(row + 3 * size + n_v, new + size + n_v, n_sides * sizeof *row);
            }
        }
    }

    /* What is left: (G + mu H) w(0) + z v = g, and the dense equations; complex numbers a + i b as [a, -b; b, a]. */
    const double *end = kept + (n - 1) * size * all;
    for (ptrdiff_t i = 0; i < n_complex; i++)
        for (ptrdiff_t part = 0; part < n_parts; part++) {
            double *row = last + (part * n_complex + i) * n_end_all, largest = 0.0;
            for (ptrdiff_t c = 0; c < n_complex + n_right; c++) {
                double number[2] = {0.0, 0.0};
                if (i < size) {
                    const double *from = end + i * all;
                    if (c < size) {
                        number[0] = from[size + c] + mu * from[2 * size + c];
                        number[1] = mu_imag * from[2 * size + c];
                    } else
                        for (ptrdiff_t q = 0; q < n_parts; q++) number[q] = from[3 * size + (c - size) * n_parts + q];
                } else {
                    const ptrdiff_t e = (i - size) * n_parts; /* its real part, and maybe the imaginary one */
                    for (ptrdiff_t q = 0; q < n_parts; q++) {
                        const double *first = normal + (e + q) * (n + 1) * size, *after = first + n * size;
                        if (c < size) {
                            number[q] += first[c] + mu * after[c];
                            number[1 - q] += (q ? -mu_imag : mu_imag) * after[c];
                            continue;
                        }
                        const double *left = sides + (e + q) * more + (c - size) * n_parts;
                        number[q] += left[0];
                        if (n_parts == 2) number[1 - q] += q ? -left[1] : left[1];
                        if (c < n_complex) number[q] += given[(e + q) * whole + length + c - size];
                        else number[q] += right[((c - n_complex) * n_parts + q) * whole + length + i - size];
                    }
                }
                if (c >= n_complex) row[n_end + c - n_complex] = number[part];
                else {
                    row[c] = number[part];
                    if (n_parts == 2) row[n_complex + c] = part ? number[0] : -number[1];
                }
            }
            if (i < size) continue;
            for (ptrdiff_t c = 0; c < n_end; c++)
                if (fabs(row[c]) > largest) largest = fabs(row[c]);
            for (ptrdiff_t c = 0; c < n_end_all && largest > 0.0; c++) row[c] /= largest;
        }
    take_volume(n_end, n_end_all, last, dmft_triangularise(n_end, n_end, n_end_all, last, v), volume);
    for (ptrdiff_t i = 0; i < n_end; i++) memcpy(x + i * n_right, last + i * n_end_all + n_end, n_right * sizeof *x);
    back_substitute(n_end, n_end_all, last, n_right, x);
    /* The windows w(k), (size, n_right, n_parts) each. */
    double *first = window, *after = window + n * size * n_sides;
    for (ptrdiff_t i = 0; i < size; i++)
        for (ptrdiff_t c = 0; c < n_right; c++) {
            const ptrdiff_t at = (i * n_right + c) * n_parts;
            const double real = x[i * n_right + c], imag = n_parts == 2 ? x[(n_complex + i) * n_right + c] : 0.0;
            first[at] = real;
            after[at] = mu * real - mu_imag * imag;
            if (n_parts == 2) {
                first[at + 1] = imag;
                after[at + 1] = mu * imag + mu_imag * real;
            }
        }
    /* What the parts of z are taken times to make those of z v, (n_border, n_parts, n_right, n_parts). */
    double *driven = sides; /* whose numbers are in the last equations by now */
    for (ptrdiff_t e = 0; e < n_border; e++)
        for (ptrdiff_t c = 0; c < n_right; c++) {
            const double real = x[(size + e) * n_right + c];
            if (n_parts == 1) {
                driven[e * n_sides + c] = real;
                continue;
            }
            const double imag = x[(n_complex + size + e) * n_right + c];
            double *here = driven + 2 * e * n_sides + 2 * c;
            here[0] = real, here[1] = imag, here[n_sides] = -imag, here[n_sides + 1] = real;
        }
    for (ptrdiff_t k = n - 1; k > 0; k--) {
        double *here = window + k * size * n_sides;
        const double *rows = kept + (k - 1) * size * all;
        for (ptrdiff_t i = 0; i < size; i++)
            for (ptrdiff_t c = 0; c < n_sides; c++) {
                const double *row = rows + i * all;
                double sum = row[3 * size + n_v + c];
                for (ptrdiff_t e = 0; e < n_v; e++) sum -= row[3 * size + e] * driven[e * n_sides + c];
                for (ptrdiff_t j = 0; j < size; j++)
                    sum -= row[size + j] * first[j * n_sides + c] + row[2 * size + j] * after[j * n_sides + c];
                here[i * n_sides + c] = sum;
            }
        back_substitute(size, all, rows, n_sides, here);
        after = here;
    }
    for (ptrdiff_t t = 0; t < n_steps; t++) {
        const ptrdiff_t k = t / n_context, n_here = k == n - 1 ? n_last : n_context;
        const double *here = window + (k + 1) * size * n_sides;
        const ptrdiff_t row = (n_here - 1 - t % n_context) * n_features;
        for (ptrdiff_t c = 0; c < n_sides; c++)
            for (ptrdiff_t a = 0; a < n_features; a++) out[c * whole + t * n_features + a] = here[(row + a) * n_sides + c];
    }
    for (ptrdiff_t c = 0; c < n_right; c++)
        for (ptrdiff_t part = 0; part < n_parts; part++)
            for (ptrdiff_t e = 0; e < n_border; e++)
                out[(c * n_parts + part) * whole + length + e] = x[(part * n_complex + size + e) * n_right + c];
    return 0;
}
