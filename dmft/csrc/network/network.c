/* Finite networks of one instruction set; compiled once for each.
 *
 * Runs go side by side in lanes through the equations; the draws between them are each lane's own.
 * No lane sees what its neighbours hold, but for the two of a pair.
 */
#include "network.h"

#include "../binomial.h"
#include "../simd.h"

typedef struct {
    vec *attention, *memory, *m, *weight, *total, *sums, *low;
    ivec *up;
} work;

static size_t scratch(const NetworkJob *job)
{
    size_t M = job->n_features, L = job->n_context, H = job->n_heads, J = job->n_columns;
    return sizeof(vec) * (M + 2 * L * M + N_ROLES * M + H * L + H + 3 * J);
}

static work carve(const NetworkJob *job, vec *at)
{
    size_t M = job->n_features, L = job->n_context, H = job->n_heads, J = job->n_columns;
    work w;
    w.attention = at, at += M;
    w.memory = at, at += 2 * L * M;
    w.m = at, at += N_ROLES * M;
    w.weight = at, at += H * L;
    w.total = at, at += H;
    w.sums = at, at += J;
    w.low = at, at += J;
    w.up = (ivec *)at;
    return w;
}

/* Eq. (4): the probability `low` <= 1/2 of a group's less likely sign, and whether that is -1. */
static void probabilities(const NetworkJob *job, const work *w, vec beta)
{
    const double *sign = job->signs;
    for (int j = 0; j < job->n_columns; j++, sign += job->n_features) {
        vec field = {0};
        for (int a = 0; a < job->n_features; a++) field += w->attention[a] * sign[a];
        field *= beta;
        vec e = vexp((vec)((ivec)field | INT64_MIN) * 2.0);
        w->low[j] = e / (1.0 + e);
        w->up[j] = field > 0.0;
    }
}

/* The sum over n sites, `few` of which have the less likely sign. */
static double sum_of(double n, double few, int up) { return up ? n - 2.0 * few : 2.0 * few - n; }

static void draw_counts(const NetworkJob *job, const work *w, int lane, ptrdiff_t run, uint64_t step)
{
    stream s = {{job->keys[2 * run], job->keys[2 * run + 1]}, 0, step, job->purpose};
    const double *size = job->sizes + run * job->n_columns;
    for (int j = 0; j < job->n_columns; j++) {
        int up = w->up[j][lane] != 0;
        s.item = j;
        w->sums[j][lane] = sum_of(size[j], binomial(&s, size[j], w->low[j][lane], up ? ~(uint64_t)0 : 0), up);
    }
}

/* As binomial, for any p, given with its complement q. */
static double any_binomial(stream *s, double n, double p, double q)
{
    s->item++;
    return p <= q ? binomial(s, n, p, 0) : n - binomial(s, n, q, 0);
}

/* The same where each site is given with chance c: of a group's sites the given token has some up, the others down. */
static void draw_given(const NetworkJob *job, const work *w, int lane, ptrdiff_t run, uint64_t step, int stage)
{
    const double c = job->strength[stage], *size = job->sizes + run * job->n_columns;
    const double *given = job->given + (run * job->n_stages + stage) * job->n_columns;
    for (int j = 0; j < job->n_columns; j++) {
        stream s = {{job->keys[2 * run], job->keys[2 * run + 1]}, 2 * (uint64_t)j, step, job->purpose};
        double plus = given[j];
        if (c < 1.0) {
            const int mostly = w->up[j][lane] != 0;
            const double low = (1.0 - c) * w->low[j][lane], high = (1.0 - c) * (1.0 - w->low[j][lane]);
            const double up = mostly ? high : low, down = mostly ? low : high;
            plus = any_binomial(&s, given[j], c + up, down);
            plus += any_binomial(&s, size[j] - given[j], up, c + down);
        }
        w->sums[j][lane] = 2.0 * plus - size[j];
    }
}

/* Draw the sums of a pair of replicas jointly, so that they and the number of differing sites
   have the law of two networks whose sites have the same uniform numbers, or independent ones. */
static double draw_pair(const NetworkJob *job, const work *w, int lane, ptrdiff_t run, uint64_t step)
{
    const double *size = job->sizes + run * job->n_columns;
    double differing = 0.0;
    for (int j = 0; j < job->n_columns; j++) {
        stream s = {{job->keys[2 * run], job->keys[2 * run + 1]}, 4 * (uint64_t)j, step, job->purpose};
        double n = size[j], p[2] = {w->low[j][lane], w->low[j][lane + 1]}, few[2], apart;
        int up[2] = {w->up[j][lane] != 0, w->up[j][lane + 1] != 0};
        if (job->independent) {
            few[0] = binomial(&s, n, p[0], 0);
            double both = any_binomial(&s, few[0], p[1], 1.0 - p[1]);
            double second = any_binomial(&s, n - few[0], p[1], 1.0 - p[1]);
            few[1] = both + second;
            apart = few[0] - both + second;
            if (up[0] != up[1]) apart = n - apart;
        } else if (up[0] == up[1]) { /* sites with the rarer sign in one have it in the other */
            int more = p[1] > p[0];
            few[!more] = binomial(&s, n, p[!more], 0);
            double gap = (p[more] - p[!more]) / (1.0 - p[!more]);
            apart = any_binomial(&s, n - few[!more], gap, 1.0 - gap);
            few[more] = few[!more] + apart;
        } else { /* no site has its rarer sign in both */
            few[0] = binomial(&s, n, p[0], 0);
            few[1] = any_binomial(&s, n - few[0], p[1] / (1.0 - p[0]), (1.0 - p[0] - p[1]) / (1.0 - p[0]));
            apart = n - few[0] - few[1];
        }
        for (int i = 0; i < 2; i++) w->sums[j][lane + i] = sum_of(n, few[i], up[i]);
        differing += apart;
    }
    return differing;
}

/* 64 independent bits, each 1 with the probability that `low` holds, all its digits: uniform
   numbers are compared with it one binary digit at a time, as far as any is undecided. */
static uint64_t spin_word(const stream *s, double low, uint64_t flip)
{
    union { double x; uint64_t bits; } u = {low};
    if (!(low > 0.0)) return 0;
    uint64_t mantissa = (u.bits & 0xfffffffffffff) | 0x10000000000000;
    int first = 1023 - (int)(u.bits >> 52); /* place of its leading digit */
    uint64_t less = 0, open = ~(uint64_t)0;
    words w = {{0}};
    for (int place = 1; open && place <= first + 52; place++) {
        int i = (place - 1) % 4;
        if (i == 0) w = draw(s, (place - 1) / 4);
        uint64_t digit = w.word[i] ^ flip;
        if (place >= first && mantissa >> (52 - (place - first)) & 1) {
            less |= open & ~digit;
            open &= digit;
        } else
            open &= ~digit;
    }
    return less;
}

/* The same from explicit uniform numbers, as many as there are sites. */
static uint64_t given_word(const double *uniforms, int n, double low, int up)
{
    double p = up ? 1.0 - low : low;
    uint64_t word = 0;
    for (int i = 0; i < n; i++) word |= (uint64_t)(p > uniforms[i]) << i;
    return word;
}

/* Draw spin by spin, groups one after the other and each from a new word on; one lane, or the
   two of a pair, whose differing sites are returned. */
static double draw_spins(const NetworkJob *job, const work *w, int lane, ptrdiff_t run, uint64_t step,
                         ptrdiff_t t, ptrdiff_t row)
{
    const double *size = job->sizes + run * job->n_columns;
    const double *uniforms = job->uniforms ? job->uniforms + t * job->n_spins : NULL;
    int n_coupled = job->n_coupled;
    uint64_t item = 0;
    double differing = 0.0;
    for (int j = 0; j < job->n_columns; j++) {
        int64_t left = (int64_t)size[j], plus[2] = {0, 0};
        for (; left > 0; left -= 64, item++) {
            if (item % 65536 == 65535 && job->stopped(job->crew)) return 0.0;
            uint64_t both[2], mask = left < 64 ? ((uint64_t)1 << left) - 1 : ~(uint64_t)0;
            for (int i = 0; i < n_coupled; i++) {
                ptrdiff_t own = job->independent ? run + i : run;
                stream s = {{job->keys[2 * own], job->keys[2 * own + 1]}, item, step, job->purpose};
                int up = w->up[j][lane + i] != 0;
                double low = w->low[j][lane + i];
                uint64_t word;
                if (uniforms)
                    word = given_word(uniforms, left < 64 ? (int)left : 64, low, up);
                else
                    word = up ? ~spin_word(&s, low, ~(uint64_t)0) : spin_word(&s, low, 0);
                both[i] = word & mask;
                plus[i] += __builtin_popcountll(both[i]);
                if (job->spins && row >= 0)
                    job->spins[((run + i) * job->n_rows + row) * job->n_words + (ptrdiff_t)item] = both[i];
            }
            if (uniforms) uniforms += left < 64 ? left : 64;
            if (n_coupled == 2) differing += __builtin_popcountll(both[0] ^ both[1]);
        }
        for (int i = 0; i < n_coupled; i++) w->sums[j][lane + i] = 2.0 * (double)plus[i] - size[j];
    }
    return differing;
}

/* Eq. (1); returns the part of m^o without the position in `semantic`, where that is wanted. */
static void overlaps(const NetworkJob *job, const work *w, vec scale, vec epsilon, int phase)
{
    int M = job->n_features;
    const double *column = job->columns;
    for (int role = 0; role < N_ROLES; role++) {
        vec *m = w->m + role * M;
        for (int a = 0; a < M; a++) m[a] = splat(0.0);
        for (int j = 0; j < job->n_columns; j++, column += M)
            for (int a = 0; a < M; a++) m[a] += w->sums[j] * column[a]; /* whole numbers: exact */
        const double *b = job->position + ((ptrdiff_t)role * job->n_context + phase) * M;
        for (int a = 0; a < M; a++) m[a] = m[a] * scale + epsilon * b[a];
    }
}

/* Eqs. (2), (3) over the newest n tokens; slot of the newest: now. The weights stay undivided by their total. */
static void attend(const NetworkJob *job, const work *w, vec gain, int now, int n)
{
    int M = job->n_features, L = job->n_context, width = M / job->n_heads;
    const vec *keys = w->memory, *values = w->memory + (ptrdiff_t)L * M;
    for (int h = 0; h < job->n_heads; h++) {
        const int head = h * width;
        vec *weight = w->weight + h * L, most = splat(-INFINITY), total = splat(0.0);
        for (int d = 0, slot = now; d < n; d++, slot = slot ? slot - 1 : L - 1) {
            vec score = splat(0.0);
            for (int a = head; a < head + width; a++) score += w->m[QUERY * M + a] * keys[slot * M + a];
            weight[d] = score *= gain;
            most = where(score > most, score, most);
        }
        for (int a = head; a < head + width; a++) w->attention[a] = splat(0.0);
        for (int d = 0, slot = now; d < n; d++, slot = slot ? slot - 1 : L - 1) {
            weight[d] = vexp(weight[d] - most);
            total += weight[d];
            for (int a = head; a < head + width; a++) w->attention[a] += weight[d] * values[slot * M + a];
        }
        for (int a = head; a < head + width; a++) w->attention[a] /= total;
        w->total[h] = total;
    }
}

static void keep(const NetworkJob *job, const work *w, ptrdiff_t first, int n, int filled, ptrdiff_t row, vec epsilon,
                 int phase)
{
    int M = job->n_features, L = job->n_context, n_weights = job->n_heads * L;
    double *weights = job->record[RECORD_WEIGHTS];
    const vec *of[N_FEATURE_RECORDS] = {w->attention,     w->m + OUTPUT * M, w->m + OUTPUT * M,
                                w->m + VALUE * M, w->m + QUERY * M,  w->m + KEY * M};
    const double *b = job->position + ((ptrdiff_t)OUTPUT * job->n_context + phase) * M;
    for (int lane = 0; lane < n; lane++) {
        ptrdiff_t at = (first + lane) * job->n_rows + row;
        for (int i = 0; i < N_FEATURE_RECORDS; i++)
            for (int a = 0; job->record[i] && a < M; a++)
                job->record[i][at * M + a] = of[i][a][lane] - (i == RECORD_SEMANTIC ? epsilon[lane] * b[a] : 0.0);
        for (int e = 0; weights && e < n_weights; e++)
            weights[at * n_weights + e] = e % L < filled ? w->weight[e][lane] / w->total[e / L][lane] : 0.0;
        for (int j = 0; job->sums && j < job->n_columns; j++)
            job->sums[at * job->n_columns + j] = w->sums[j][lane];
    }
}

/* Take the runs of one block through the job. Lanes without a run repeat the last one's parameters
   and draw nothing. */
static void run(const NetworkJob *job, ptrdiff_t block, void *memory)
{
    work w = carve(job, memory);
    int M = job->n_features, L = job->n_context, now = L - 1, phase = job->phase, filled = job->n_filled;
    ptrdiff_t first = block * WIDTH, row = job->first_row;
    int n = job->n_runs - first < WIDTH ? (int)(job->n_runs - first) : WIDTH;
    vec beta, gain, epsilon, scale;
    for (int lane = 0; lane < WIDTH; lane++) {
        ptrdiff_t i = first + (lane < n ? lane : n - 1);
        beta[lane] = job->beta[i];
        gain[lane] = job->gain[i];
        epsilon[lane] = job->epsilon[i];
        scale[lane] = (1.0 - job->epsilon[i]) / job->n_sites[i];
        for (int a = 0; a < M; a++) w.attention[a][lane] = job->attention[i * M + a];
        for (int kind = 0; kind < 2; kind++)
            for (int d = 1; d < L; d++) /* lag d stands d slots before the next token's, slot 0 */
                for (int a = 0; a < M; a++)
                    w.memory[(kind * L + L - d) * M + a][lane] = job->memory[((i * 2 + kind) * L + d) * M + a];
    }
    for (int j = 0; j < job->n_columns; j++) w.sums[j] = splat(0.0);
    for (ptrdiff_t t = 0; t < job->n_steps; t++) {
        if ((t % 16 == 0 || job->n_columns > 64) && job->stopped(job->crew)) break;
        uint64_t step = job->step + (uint64_t)t;
        int stage = job->n_stages ? (int)((job->stage + t) % job->n_stages) : 0;
        int wanted = (job->clock + t) % job->every == 0 && row < job->n_rows;
        probabilities(job, &w, beta);
        for (int lane = 0; lane < n; lane += job->n_coupled) {
            ptrdiff_t i = first + lane;
            double apart = 0.0;
            if (job->n_stages && job->strength[stage] > 0.0)
                for (int k = 0; k < job->n_coupled; k++) draw_given(job, &w, lane + k, i + k, step, stage);
            else if (job->explicit_spins)
                apart = draw_spins(job, &w, lane, i, step, t, wanted ? row : -1);
            else if (job->n_coupled == 2)
                apart = draw_pair(job, &w, lane, i, step);
            else
                draw_counts(job, &w, lane, i, step);
            if (job->distance && wanted) job->distance[i / 2 * job->n_rows + row] = apart;
        }
        overlaps(job, &w, scale, epsilon, phase);
        now = now + 1 == L ? 0 : now + 1;
        for (int a = 0; a < M; a++) {
            w.memory[now * M + a] = w.m[KEY * M + a];
            w.memory[(L + now) * M + a] = w.m[VALUE * M + a];
        }
        attend(job, &w, gain, now, filled);
        if (wanted) keep(job, &w, first, n, filled, row++, epsilon, phase);
        filled += filled < L;
        phase = phase + 1 == L ? 0 : phase + 1;
    }
    for (int lane = 0; lane < n; lane++) {
        ptrdiff_t i = first + lane;
        for (int a = 0; a < M; a++) job->attention[i * M + a] = w.attention[a][lane];
        for (int kind = 0; kind < 2; kind++)
            for (int d = 1; d < L; d++)
                for (int a = 0; a < M; a++)
                    job->memory[((i * 2 + kind) * L + d) * M + a]
                        = w.memory[(kind * L + (now + 1 - d + L) % L) * M + a][lane];
    }
}

/* One draw for any p: a door for tests and for the sizes of columns. */
static double one_binomial(double n, double p, const uint64_t key[2], uint64_t item, uint64_t step, int purpose)
{
    stream s = {{key[0], key[1]}, item, step, purpose};
    return p <= 0.5 ? binomial(&s, n, p, 0) : n - binomial(&s, n, 1.0 - p, 0);
}

const Networks ISA(dmft_network) = {WIDTH, scratch, run, one_binomial};
