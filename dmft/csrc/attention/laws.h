/* Eqs. (6), (7): the mean activity x_j of the sites of a token from the attention of the step
 * before, for the three kinds of features; if asked for, its slope dx_j/dA_b too: for site classes
 * s_jb times `rise` (J), else `slope` (M, M). All take the factor 1 - epsilon here, once.
 */
#ifndef DMFT_LAWS_H
#define DMFT_LAWS_H

#include "../mixture.h"
#include "block.h"

/* Gaussian features: x_j = beta A_j g(beta sigma), sigma^2 = A.C.A, with g(s) =
   E sech^2(s z) = sum_k weight_k / sqrt(node_k^2 + s^2), the scale mixture
   of tanh by Gaussians (Kolmogorov's distribution); slope: dx_j/dA_b. */
APART void gaussian_activations(int M, const Job *job, const pack beta, pack *att, pack *x, pack *slope)
{
    EACH(g) {
        vec variance = splat(0.0), mean = splat(0.0), fall = splat(0.0);
        for (int j = 0; j < M; j++) {
            vec field = splat(0.0);
            for (int a = 0; a < M; a++) field += job->signs[j * M + a] * att[a][g];
            x[j][g] = field;
            variance += field * att[j][g];
        }
        variance *= beta[g] * beta[g];
        for (int k = 0; k < N_MIXTURE; k++) {
            vec width = MIXTURE_VARIANCE[k] + variance, term = MIXTURE_WEIGHT[k] / vsqrt(width);
            mean += term;
            fall -= term / width; /* 2 d/dvariance */
        }
        for (int j = 0; slope && j < M; j++)
            for (int a = 0; a < M; a++) {
                vec rise = att[j][g] * x[a][g] * fall * (beta[g] * beta[g]);
                slope[j * M + a][g] = beta[g] * (j == a ? rise + mean : rise);
            }
        for (int j = 0; j < M; j++) x[j][g] = beta[g] * att[j][g] * mean;
    }
}

/* Independent features: x_a = E[sigma_a tanh(beta sigma.A)] over all 2^M sign vectors, with
   tanh(y) = int sin(k y / beta) / (beta sinh(pi k / 2 beta)) dk, so that the average is a product:

       x_a = int_0^inf sin(k A_a) prod_{c != a} cos(k A_c) / (beta sinh(pi k / 2 beta)) dk.

   The trapezoid rule converges geometrically: alias error and cut both at exp(-DIGITS). Products
   without one factor come from those before and those after it, never by division. */
#define DIGITS 34.0
#define MOST_NODES (1 << 20)
#define FLAT 1e-100 /* below this beta, tanh(beta y) is beta y */
#define PI 0x1.921fb54442d18p+1

/* Where X = beta sum|A| is beyond STRONG the angles k A would have too few digits: k A is rounded, which moves A, and
   tanh has steps of width 1/X there. Such lanes take all sign vectors, up to ENUMERABLE features, if these are fewer
   than the nodes or the nodes too many; else the waves begin anew every RENEWED nodes. */
#define STRONG 8192.0
enum { ENUMERABLE = 20, RENEWED = 256, OFTEN = 4096 };

/* cos and sin of n (angle + rest) for a lane, where n angle may have few digits left below 1. */
INLINE void far_wave(double n, double angle, double rest, double *c, double *s)
{
    double high = n * angle, low = fma(n, angle, -high) + n * rest, ch = cos(high), sh = sin(high);
    *c = ch - low * sh;
    *s = sh + low * ch;
}

/* Of lanes in `strong` alone: sums over half of the sign vectors, the rest being the same, in the order of Gray's code.
   sigma.A is kept in two doubles, where it cancels too. */
APART void enumerated_activations(int M, const Job *job, vec beta, pack *part, int g, ivec strong, pack *att, pack *x,
                                  pack *slope)
{
    const int64_t count = (int64_t)1 << (M - 1);
    double sign[ENUMERABLE];
    vec high = splat(0.0), low = splat(0.0);
    for (int a = 0; a < M; a++) {
        sign[a] = 1.0;
        part[a][g] = splat(0.0);
        x[a][g] = where(strong, splat(0.0), x[a][g]);
        for (int c = 0; slope && c < M; c++) slope[a * M + c][g] = where(strong, splat(0.0), slope[a * M + c][g]);
    }
    for (int64_t n = 0; n < count; n++) {
        if (n % OFTEN == 0 && job->stopped(job->crew)) return;
        const int flipped = n ? __builtin_ctzll((unsigned long long)n) : 0; /* one sign a vector */
        if (n) sign[flipped] = -sign[flipped];
        for (int a = flipped; a < (n ? flipped + 1 : M); a++) {
            vec step = (n ? 2.0 : 1.0) * sign[a] * att[a][g];
            vec sum = high + step, back = sum - high, rest = (high - (sum - back)) + (step - back);
            low += rest;
            high = sum;
        }
        const ratio t = tanh_ratio(beta * (high + low));
        const vec mean = where(strong, t.numerator / t.denominator, splat(0.0));
        for (int a = 0; a < M; a++) part[a][g] += sign[a] * mean;
        if ((n + 1) % RENEWED == 0 || n + 1 == count)
            for (int a = 0; a < M; a++) {
                x[a][g] = where(strong, x[a][g] + part[a][g], x[a][g]);
                part[a][g] = splat(0.0);
            }
        if (!slope) continue;
        const vec rise = where(strong, t.slope / (t.denominator * t.denominator), splat(0.0));
        if (!any(rise > 0.0)) continue;
        for (int a = 0; a < M; a++)
            for (int c = 0; c <= a; c++) {
                vec more = slope[a * M + c][g] + sign[a] * sign[c] * rise;
                slope[a * M + c][g] = where(strong, more, slope[a * M + c][g]);
            }
    }
    const double share = 1.0 / (double)count;
    for (int a = 0; a < M; a++) {
        x[a][g] = where(strong, share * x[a][g], x[a][g]);
        for (int c = 0; slope && c <= a; c++) {
            vec rise = where(strong, beta * (share * slope[a * M + c][g]), slope[a * M + c][g]);
            slope[a * M + c][g] = slope[c * M + a][g] = rise;
        }
    }
}

APART void independent_activations(int M, const Job *job, const pack all_beta, pack *work, pack *att, pack *x,
                                  pack *slope)
{
    pack *cosine = work, *sine = cosine + M, *turn = sine + M, *tilt = turn + M, *before = tilt + M;
    EACH(g) {
        const vec beta = all_beta[g];
        vec extent = splat(0.0);
        for (int a = 0; a < M; a++) extent += vabs(att[a][g]);
        const vec dk = PI / (extent + DIGITS / (2.0 * beta));
        vec last = where(beta > FLAT, 2.0 * DIGITS / PI * beta, splat(-1.0));
        const ivec strong = beta * extent > STRONG;
        ivec enumerated = (ivec)splat(0.0);
        if (M <= ENUMERABLE) {
            enumerated = strong & (((double)(1 << (M - 1)) < last / dk) | (last / dk >= (double)MOST_NODES));
            last = where(enumerated, splat(-1.0), last);
        }
        const int renewing = any(strong & ~enumerated);
        for (int a = 0; a < M; a++) {
            for (int i = 0; i < WIDTH; i++) { /* angles in [-pi, pi], once a step */
                turn[a][g][i] = cos(dk[i] * att[a][g][i]);
                tilt[a][g][i] = sin(dk[i] * att[a][g][i]);
            }
            cosine[a][g] = splat(1.0);
            sine[a][g] = splat(0.0);
            x[a][g] = att[a][g] / PI; /* half the node k = 0 */
            for (int c = 0; slope && c < M; c++) slope[a * M + c][g] = splat(a == c ? 1.0 / PI : 0.0);
        }
        vec k = dk;
        int n = 1;
        for (; n < MOST_NODES && any(k <= last); n++, k = (double)n * dk) {
            if (n % OFTEN == 0 && job->stopped(job->crew)) return;
            const vec fall = vexp(-PI / 2.0 * k / beta);
            /* A lane whose nodes are done adds zeros: its bits do not depend on its company. */
            const vec weight = where(k <= last, 2.0 * fall / (beta * (1.0 - fall * fall)), splat(0.0));
            for (int a = 0; a < M; a++) {
                vec c = cosine[a][g] * turn[a][g] - sine[a][g] * tilt[a][g];
                sine[a][g] = sine[a][g] * turn[a][g] + cosine[a][g] * tilt[a][g];
                cosine[a][g] = c;
            }
            if (renewing && n % RENEWED == 0)
                for (int a = 0; a < M; a++)
                    for (int i = 0; i < WIDTH; i++) {
                        double angle = dk[i] * att[a][g][i], rest = fma(dk[i], att[a][g][i], -angle), c, s;
                        if (!strong[i]) continue;
                        far_wave((double)n, angle, rest, &c, &s);
                        cosine[a][g][i] = c;
                        sine[a][g][i] = s;
                    }
            vec product = splat(1.0);
            for (int a = 0; a < M; a++) {
                before[a][g] = product;
                product *= cosine[a][g];
            }
            vec after = weight;
            for (int a = M - 1; a >= 0; a--) {
                x[a][g] += sine[a][g] * before[a][g] * after;
                if (slope) {
                    slope[a * M + a][g] += k * (cosine[a][g] * before[a][g] * after);
                    vec between = k * (sine[a][g] * after);
                    for (int c = a - 1; c >= 0; c--) {
                        slope[a * M + c][g] -= between * sine[c][g] * before[c][g];
                        between *= cosine[c][g];
                    }
                }
                after *= cosine[a][g];
            }
        }
        const ivec lost = (ivec)(k <= last) & -(int64_t)(n == MOST_NODES); /* beta |A| beyond reason */
        for (int a = 0; a < M; a++) {
            x[a][g] = where(beta > FLAT, dk * x[a][g], beta * att[a][g]);
            x[a][g] = where(lost, splat(NAN), x[a][g]);
        }
        for (int a = 0; slope && a < M; a++)
            for (int c = 0; c <= a; c++) {
                vec rise = where(beta > FLAT, dk * slope[a * M + c][g], a == c ? beta : splat(0.0));
                slope[a * M + c][g] = slope[c * M + a][g] = rise;
            }
        if (any(enumerated)) enumerated_activations(M, job, beta, work, g, enumerated, att, x, slope);
    }
}

/* Site classes: x_j = tanh(beta s_j.A), for n classes side by side. */
INLINE void class_activations(const int M, const Block *b, pack *att, pack *x, pack *rise, ptrdiff_t first,
                              const int n)
{
    const double *sign = b->job->signs + first * M;
    pack field[ABREAST];
    for (int j = 0; j < n; j++) EACH(g) field[j][g] = sign[j * M] * att[0][g];
    for (int a = 1; a < M; a++)
        for (int j = 0; j < n; j++) EACH(g) field[j][g] = fma3(sign[j * M + a], att[a][g], field[j][g]);
    EACH(g) {
        for (int j = 0; j < n; j++) {
            const ratio t = tanh_ratio(b->beta[g] * field[j][g]);
            const vec inverse = 1.0 / t.denominator;
            x[first + j][g] = (t.numerator * b->semantic[g]) * inverse;
            if (rise) rise[first + j][g] = (t.slope * (b->beta[g] * b->semantic[g])) * (inverse * inverse);
        }
    }
}

/* b->x, and if asked for b->rise or b->slope. */
INLINE void activations(const int M, const Block *b, pack *att, const int sloping)
{
    pack *x = b->x, *slope = sloping ? b->slope : NULL, *rise = sloping ? b->rise : NULL;
    if (b->law != LAW_CLASSES) {
        pack beta;
        EACH(g) beta[g] = b->beta[g];
        if (b->law == LAW_GAUSSIAN) gaussian_activations(M, b->job, beta, att, x, slope);
        else independent_activations(M, b->job, beta, b->work, att, x, slope);
        for (int j = 0; j < M; j++) EACH(g) x[j][g] *= b->semantic[g];
        for (int i = 0; slope && i < M * M; i++) EACH(g) slope[i][g] *= b->semantic[g];
        return;
    }
#define CLASSES(j, n) class_activations(M, b, att, x, rise, j, n)
    SIDE_BY_SIDE_ROUGHLY(b->n_classes, CLASSES);
}

/* The stage of the drive in step t of a call; below 0: in one before it. */
INLINE int stage_of(const Block *b, ptrdiff_t t)
{
    const int n = b->job->n_stages;
    return n ? (int)(((b->job->stage + t) % n + n) % n) : 0;
}

/* The same of the sites that the drive leaves to the network. */
INLINE void driven_activations(const int M, const Block *b, pack *att, int stage, const int sloping)
{
    activations(M, b, att, sloping);
    if (!b->job->n_stages) return;
    const double left = b->job->left[stage];
    for (int j = 0; j < b->n_classes; j++) EACH(g) b->x[j][g] *= left;
    if (sloping && b->law == LAW_CLASSES)
        for (int j = 0; j < b->n_classes; j++) EACH(g) b->rise[j][g] *= left;
    if (sloping && b->law != LAW_CLASSES)
        for (int i = 0; i < M * M; i++) EACH(g) b->slope[i][g] *= left;
}

#endif
