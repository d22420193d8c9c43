/* The perturbation of a cycle that is periodic under a periodic drive: linear equations round the cycle.
 *
 * Steps are joined to segments that renew the whole window, w(k + 1) = P(k) w(k) + q(k), the last as long as is left.
 * One window after the other is eliminated between its two neighbours by an orthogonal factorisation (Wright, SIAM J. Sci.
 * Stat. Comput. 13 (1992) 742): stable whatever grows or decays along the cycle. A border, one more unknown v that
 * drives all steps by a given amount, and one more equation between it and all vectors, rides along.
 *
 * Columns of the rows below: the window that is eliminated, w(0), the window after it, v, the right sides.
 */
#include <math.h>
#include <string.h>

#include "cycles.h"

static ptrdiff_t n_segments(ptrdiff_t n_steps, ptrdiff_t n_context) { return (n_steps + n_context - 1) / n_context; }

static ptrdiff_t columns(ptrdiff_t size, ptrdiff_t n_right) { return 3 * size + 1 + n_right; }

size_t dmft_periodic_work(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_right)
{
    const size_t n = n_segments(n_steps, size / n_features), all = columns(size, n_right);
    /* kept rows, pairs of rows, a segment, normals of all windows, windows, reflections, the last equations */
    return n * size * all + 2 * size * all + size * (size + 1 + n_right) + (n + 1) * size
           + (n + 1) * size * (1 + n_right) + 2 * size + 1 + all + (size + 1) * (size + 1 + n_right)
           + (size + 1 + n_right) * 2;
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

/* top: (n_steps, n_features, size); right: (n_right, n_steps, n_features); border: (2, n_steps n_features + 1), what v
   adds to each step (the last entry unused) and the normal, whose product with the solution is 1 for the last right
   side if it is `bordered` by 2, and 0 for all others. out: (n_right, n_steps n_features + bordered). Returns whether it
   was stopped. */
int dmft_solve_periodic(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_right, int bordered,
                        const double *top, const double *right, const double *border, double *out, double *work,
                        int (*stopped)(void *), void *crew)
{
    const ptrdiff_t n_context = size / n_features, n = n_segments(n_steps, n_context), length = n_steps * n_features;
    const ptrdiff_t n_last = n_steps - (n - 1) * n_context, all = columns(size, n_right), more = 1 + n_right;
    double *kept = work, *pair = kept + n * size * all, *state = pair + 2 * size * all;
    double *normal = state + size * (size + more), *window = normal + (n + 1) * size;
    double *v = window + (n + 1) * size * more, *last = v + 2 * size + 1 + all;
    const double *drive = border, *given = border + length + 1;
    const ptrdiff_t n_end = size + (bordered != 0), n_end_all = n_end + n_right;
    double pull = bordered ? given[length] : 0.0, *sides = last + (size + 1) * (size + 1 + n_right);

    /* The tokens of segment k are the newest rows of the window after it; w(n) is w(0). */
    memset(normal, 0, (n + 1) * size * sizeof *normal);
    for (ptrdiff_t c = 0; c < n_right; c++) sides[c] = bordered == 2 && c == n_right - 1;
    if (bordered)
        for (ptrdiff_t t = 0; t < n_steps; t++) {
            const ptrdiff_t k = t / n_context, n_here = k == n - 1 ? n_last : n_context;
            const ptrdiff_t row = n_here - 1 - t % n_context;
            for (ptrdiff_t a = 0; a < n_features; a++)
                normal[(k + 1) % n * size + row * n_features + a] = given[t * n_features + a];
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
                if (bordered) new[a * wide + size] += drive[t * n_features + a];
                for (ptrdiff_t c = 0; c < n_right; c++)
                    new[a * wide + size + 1 + c] += right[c * length + t * n_features + a];
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
                low[3 * size] = -new[size];
                memcpy(low + 3 * size + 1, new + size + 1, n_right * sizeof *low);
            }
            dmft_triangularise(2 * size, size, all, pair, v);
            /* The dense equation loses w(k) too. */
            if (bordered) {
                double *row = normal + k * size; /* y r = normal */
                for (ptrdiff_t c = 0; c < size; c++) {
                    for (ptrdiff_t i = 0; i < c; i++) row[c] -= row[i] * pair[i * all + c];
                    row[c] /= pair[c * all + c];
                }
                for (ptrdiff_t i = 0; i < size; i++) {
                    const double *up = pair + i * all;
                    double *after = normal + (k + 1) % n * size;
                    for (ptrdiff_t c = 0; c < size; c++) normal[c] -= row[i] * up[size + c];
                    for (ptrdiff_t c = 0; c < size; c++) after[c] -= row[i] * up[2 * size + c];
                    pull -= row[i] * up[3 * size];
                    for (ptrdiff_t c = 0; c < n_right; c++) sides[c] -= row[i] * up[3 * size + 1 + c];
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
                row[3 * size] = -new[size];
                memcpy(row + 3 * size + 1, new + size + 1, n_right * sizeof *row);
            }
        }
    }

    /* What is left: (G + H) w(0) + z v = g, and the dense equation. */
    const double *end = kept + (n - 1) * size * all;
    for (ptrdiff_t i = 0; i < size; i++) {
        double *row = last + i * n_end_all;
        const double *from = end + i * all;
        for (ptrdiff_t c = 0; c < size; c++) row[c] = from[size + c] + from[2 * size + c];
        if (bordered) row[size] = from[3 * size];
        memcpy(row + n_end, from + 3 * size + 1, n_right * sizeof *row);
    }
    if (bordered) {
        double *row = last + size * n_end_all, largest = fabs(pull);
        for (ptrdiff_t c = 0; c < size; c++) {
            row[c] = normal[c];
            if (fabs(row[c]) > largest) largest = fabs(row[c]);
        }
        row[size] = pull;
        memcpy(row + n_end, sides, n_right * sizeof *row);
        for (ptrdiff_t c = 0; c < n_end_all && largest > 0.0; c++) row[c] /= largest;
    }
    dmft_triangularise(n_end, n_end, n_end_all, last, v);
    /* The windows w(k), (size, n_right) each, `size more` apart; v follows w(0) until it is moved. */
    double *x = window; /* (n_end, n_right) */
    for (ptrdiff_t i = 0; i < n_end; i++) memcpy(x + i * n_right, last + i * n_end_all + n_end, n_right * sizeof *x);
    back_substitute(n_end, n_end_all, last, n_right, x);
    double *value = sides; /* of v, for every right side */
    for (ptrdiff_t c = 0; c < n_right; c++) value[c] = bordered ? x[size * n_right + c] : 0.0;
    const double *first = x, *after = x;
    for (ptrdiff_t k = n - 1; k > 0; k--) {
        double *here = window + k * size * more;
        const double *rows = kept + (k - 1) * size * all;
        for (ptrdiff_t i = 0; i < size; i++)
            for (ptrdiff_t c = 0; c < n_right; c++) {
                const double *row = rows + i * all;
                double sum = row[3 * size + 1 + c] - row[3 * size] * value[c];
                for (ptrdiff_t j = 0; j < size; j++)
                    sum -= row[size + j] * first[j * n_right + c] + row[2 * size + j] * after[j * n_right + c];
                here[i * n_right + c] = sum;
            }
        back_substitute(size, all, rows, n_right, here);
        after = here;
    }
    for (ptrdiff_t t = 0; t < n_steps; t++) {
        const ptrdiff_t k = t / n_context, n_here = k == n - 1 ? n_last : n_context;
        const double *here = k == n - 1 ? first : window + (k + 1) * size * more;
        const ptrdiff_t row = (n_here - 1 - t % n_context) * n_features;
        for (ptrdiff_t c = 0; c < n_right; c++)
            for (ptrdiff_t a = 0; a < n_features; a++)
                out[c * (length + (bordered != 0)) + t * n_features + a] = here[(row + a) * n_right + c];
    }
    for (ptrdiff_t c = 0; bordered && c < n_right; c++) out[c * (length + 1) + length] = value[c];
    return 0;
}
