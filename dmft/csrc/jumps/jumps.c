/* Trajectories of jump processes by the direct method; compiled once for each instruction set. The twin is
 * dmft/thermodynamics/reference.py.
 *
 * A jump waits for its state's row, then for a column, then for its target: some twenty-five cycles. So LANES
 * trajectories take turns, and the processor works on several at once. The random numbers of AHEAD jumps of a trajectory
 * are made together, in the lanes of registers.
 */
#include "jumps.h"

#include "../philox.h"
#include "../philox32.h"

enum { LANES = 16, AHEAD = 16, KEPT = 2, OFTEN = 64 };

typedef struct {
    double now;
    uint64_t drawn; /* jumps whose numbers are made */
    uint32_t x;
    ptrdiff_t row;
    int64_t n_jumps;
    double sum[KEPT]; /* the sums, where they are so few */
    double wait[AHEAD] __attribute__((aligned(64))); /* at rate 1 */
    uint64_t place[AHEAD] __attribute__((aligned(64)));
} Lane;

/* The numbers of the jumps `lane->drawn` ..., a counter each: a wait of 52 bits and a word. */
INLINE void look_ahead(Lane *lane, const uvec keys[20], uint64_t item)
{
    enum { N = 2 };
    uvec counter;
    for (int i = 0; i < WIDTH; i++) counter[i] = (uint64_t)i;
    counter += lane->drawn;
    for (int first = 0; first < AHEAD; first += N * WIDTH) {
        uvec a[N], b[N], c[N], d[N];
        for (int j = 0; j < N; j++) {
            a[j] = counter;
            b[j] = counter >> 32;
            c[j] = same(item);
            d[j] = same(item >> 32);
            counter += WIDTH;
        }
        philox32(N, keys, a, b, c, d);
        for (int j = 0; j < N; j++) {
            uvec word = a[j] << 32 | (b[j] & LOW32);
            vec u = (vec)(word >> 12 | 0x3ff0000000000000) - (1.0 - 0x1p-53);
            *(vec *)(lane->wait + first + j * WIDTH) = minus_log(u, 0.0);
            *(uvec *)(lane->place + first + j * WIDTH) = c[j] << 32 | (d[j] & LOW32);
        }
    }
    lane->drawn += AHEAD;
}

/* The first state whose cumulative probability is above r, the last if there is none. */
static uint32_t drawn_state(const double *cumulative, ptrdiff_t n, double r)
{
    ptrdiff_t low = 0, high = n - 1;
    while (low < high) {
        ptrdiff_t middle = (low + high) / 2;
        if (cumulative[middle] > r) high = middle;
        else low = middle + 1;
    }
    return (uint32_t)low;
}

static void begin(const Ensemble *e, ptrdiff_t row, Lane *lane)
{
    const uint64_t counter[4] = {0, 0, 0, FOR_JUMPS}, key[2] = {e->seed, e->first + (uint64_t)row};
    lane->now = 0.0;
    lane->drawn = 0;
    lane->row = row;
    lane->n_jumps = 0;
    lane->x = drawn_state(e->start, e->n_states, uniform(philox(counter, key).word[0]) * e->start[e->n_states - 1]);
    e->ends[2 * row] = lane->x;
    for (int i = 0; i < KEPT; i++) lane->sum[i] = 0.0;
}

/* n_gains of at most KEPT are kept in the lanes, and are a constant. */
INLINE void follow(const Ensemble *e, const ptrdiff_t n_gains, const int in_lanes, const int resides, ptrdiff_t from,
                   ptrdiff_t to)
{
    const uint64_t counter[4] = {1, 0, 0, FOR_JUMPS}, whose[2] = {e->seed, 0};
    uvec keys[20];
    philox32_keys(philox(counter, whose).word[0], keys);
    const State *states = e->states;
    const Edge *edges = e->edges;
    const double duration = e->duration, *gain = e->gain;
    Lane lanes[LANES];
    int n = 0;
    for (; n < LANES && from < to; n++) begin(e, from++, lanes + n);
    for (long round = 1; n > 0; round++) {
        for (int g = 0; g < n; g++) look_ahead(lanes + g, keys, e->first + (uint64_t)lanes[g].row);
        for (int s = 0; s < AHEAD; s++)
            for (int g = 0; g < n; g++) {
                Lane *lane = lanes + g;
                const State state = states[lane->x];
                const double wait = lane->wait[s] * state.wait, then = lane->now + wait;
                if (!(then < duration)) { /* the end, or after it, where `now` is infinite */
                    if (resides && lane->now < duration)
                        e->residence[lane->row * e->n_states + lane->x] += duration - lane->now;
                    if (lane->now < duration) lane->n_jumps = (int64_t)lane->drawn - AHEAD + s;
                    lane->now = INFINITY;
                    continue;
                }
                if (resides) e->residence[lane->row * e->n_states + lane->x] += wait;
                /* The whole part of n times a share of 2^64, and what is left. */
                const uint64_t word = lane->place[s], rest = word * state.n;
                const uint32_t column = state.first + (uint32_t)((unsigned __int128)word * state.n >> 64);
                const Edge *at = edges + column;
                const Way way = at->way[rest >= at->share]; /* no branch: it could not be guessed */
                const uint32_t edge = way.edge;
                lane->now = then;
                lane->x = way.target;
                for (ptrdiff_t i = 0; i < n_gains; i++) {
                    if (in_lanes) lane->sum[i] += gain[edge * n_gains + i];
                    else e->sums[lane->row * n_gains + i] += gain[edge * n_gains + i];
                }
            }
        for (int g = n - 1; g >= 0; g--) {
            Lane *lane = lanes + g;
            if (lane->now < duration) continue;
            e->ends[2 * lane->row + 1] = lane->x;
            e->n_jumps[lane->row] = lane->n_jumps;
            if (in_lanes)
                for (ptrdiff_t i = 0; i < n_gains; i++) e->sums[lane->row * n_gains + i] += lane->sum[i];
            if (from < to) begin(e, from++, lane);
            else *lane = lanes[--n];
        }
        if (round % OFTEN == 0 && e->stopped(e->crew)) break;
    }
    leave_wide_registers();
}

static void paths(const Ensemble *e, ptrdiff_t from, ptrdiff_t to)
{
    if (e->residence) follow(e, e->n_gains, 0, 1, from, to);
    else if (e->n_gains == 1) follow(e, 1, 1, 0, from, to);
    else if (e->n_gains == 2) follow(e, 2, 1, 0, from, to);
    else follow(e, e->n_gains, 0, 0, from, to);
}

const Jumps ISA(dmft_jumps) = {paths};
