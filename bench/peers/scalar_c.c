/* The map for one point at a time in plain C: M, L and J are given by -D, tanh and exp are
 * libm's. The tangents are stored row by row (frame[row][tangent]), so that the compiler may
 * use vector instructions across tangents in the spectrum.
 */
#include <math.h>
#include <string.h>

#define N (L * M)
#define NEXT(slot) ((slot) + 1 == L ? 0 : (slot) + 1)
enum { QUERY, KEY, VALUE };

typedef struct {
    const double (*signs)[M], (*couplings)[J][M], (*position)[L][M];
    double beta, gain, semantic, positional;
    double x[J], query[M], key[L][M], value[L][M], weight[L], att[M];
} Point;

static void overlap(const Point *p, int role, int slot, double *restrict m)
{
    for (int a = 0; a < M; a++) m[a] = 0.0;
    for (int j = 0; j < J; j++)
        for (int a = 0; a < M; a++) m[a] += p->couplings[role][j][a] * p->x[j];
    for (int a = 0; a < M; a++) m[a] = p->semantic * m[a] + p->positional * p->position[role][slot][a];
}

static void token(Point *p, const double *att, int slot)
{
    for (int j = 0; j < J; j++) {
        double field = 0.0;
        for (int a = 0; a < M; a++) field += p->signs[j][a] * att[a];
        p->x[j] = tanh(p->beta * field);
    }
    overlap(p, QUERY, slot, p->query);
    overlap(p, KEY, slot, p->key[slot]);
    overlap(p, VALUE, slot, p->value[slot]);
}

static void attend(Point *p)
{
    double top = -INFINITY, sum = 0.0;
    for (int e = 0; e < L; e++) {
        double score = 0.0;
        for (int a = 0; a < M; a++) score += p->query[a] * p->key[e][a];
        p->weight[e] = p->gain * score;
        top = p->weight[e] > top ? p->weight[e] : top;
    }
    for (int e = 0; e < L; e++) sum += p->weight[e] = exp(p->weight[e] - top);
    sum = 1.0 / sum;
    for (int e = 0; e < L; e++) p->weight[e] *= sum;
    for (int a = 0; a < M; a++) {
        double mean = 0.0;
        for (int e = 0; e < L; e++) mean += p->weight[e] * p->value[e][a];
        p->att[a] = mean;
    }
}

/* dm^role_a/dA_c of the token whose activities are in p->x. */
static void slope(const Point *p, int role, double (*restrict d)[M])
{
    memset(d, 0, sizeof(double[M][M]));
    for (int j = 0; j < J; j++) {
        double rise = p->semantic * p->beta * (1.0 - p->x[j] * p->x[j]);
        for (int a = 0; a < M; a++)
            for (int c = 0; c < M; c++) d[a][c] += p->couplings[role][j][a] * rise * p->signs[j][c];
    }
}

#define NETWORK const double *signs, const double *couplings, const double *position
#define POINTS const double *beta, const double *gain, const double *epsilon
#define POINT(i)                                                                                  \
    (Point){.signs = (const void *)signs, .couplings = (const void *)couplings,                   \
            .position = (const void *)position, .beta = beta[i], .gain = gain[i],                 \
            .semantic = 1.0 - epsilon[i], .positional = epsilon[i]}

/* rings: (n_points, L, M), the row of a slot as the token at that position sees it. */
void orbit(NETWORK, long n_points, POINTS, double (*rings)[L][M], int phase, long n_steps)
{
    for (long i = 0; i < n_points; i++) {
        Point p = POINT(i);
        for (int s = 0; s < L; s++) token(&p, rings[i][s], s);
        int slot = phase;
        memcpy(p.att, rings[i][slot], sizeof p.att);
        for (long t = 0; t < n_steps; t++, slot = NEXT(slot)) {
            memcpy(rings[i][slot], p.att, sizeof p.att);
            token(&p, p.att, slot);
            attend(&p);
        }
        memcpy(rings[i][slot], p.att, sizeof p.att);
    }
}

void leading(NETWORK, long n_points, POINTS, double (*rings)[L][M], int phase, long n_steps,
             double *exponents)
{
    for (long i = 0; i < n_points; i++) {
        Point p = POINT(i);
        double frame[L][M] = {0}, dkey[L][M] = {0}, dvalue[L][M] = {0}, logs = 0.0;
        for (int s = 0; s < L; s++) token(&p, rings[i][s], s);
        int slot = phase;
        memcpy(p.att, rings[i][slot], sizeof p.att);
        frame[slot][0] = 1.0;
        for (long t = 0; t < n_steps; t++) {
            double dquery[M] = {0};
            token(&p, p.att, slot);
            for (int a = 0; a < M; a++) dkey[slot][a] = dvalue[slot][a] = 0.0;
            for (int j = 0; j < J; j++) {
                double dx = 0.0;
                for (int a = 0; a < M; a++) dx += p.signs[j][a] * frame[slot][a];
                dx *= p.semantic * p.beta * (1.0 - p.x[j] * p.x[j]);
                for (int a = 0; a < M; a++) {
                    dquery[a] += p.couplings[QUERY][j][a] * dx;
                    dkey[slot][a] += p.couplings[KEY][j][a] * dx;
                    dvalue[slot][a] += p.couplings[VALUE][j][a] * dx;
                }
            }
            attend(&p);
            slot = NEXT(slot);
            double fresh[M] = {0};
            for (int e = 0; e < L; e++) {
                double dscore = 0.0;
                for (int a = 0; a < M; a++) dscore += dquery[a] * p.key[e][a] + p.query[a] * dkey[e][a];
                dscore *= p.gain;
                for (int a = 0; a < M; a++)
                    fresh[a] += p.weight[e] * (dvalue[e][a] + (p.value[e][a] - p.att[a]) * dscore);
            }
            memcpy(frame[slot], fresh, sizeof fresh);
            if (t % 4 == 3 || t + 1 == n_steps) {
                double size = 0.0;
                for (int e = 0; e < L; e++)
                    for (int a = 0; a < M; a++) size += frame[e][a] * frame[e][a];
                logs += 0.5 * log(size);
                size = 1.0 / sqrt(size);
                for (int e = 0; e < L; e++)
                    for (int a = 0; a < M; a++) frame[e][a] *= size, dkey[e][a] *= size, dvalue[e][a] *= size;
            }
        }
        exponents[i] = logs / n_steps;
    }
}

/* dA_t/dA of every slot, as in the kernel: values, scores through keys, and the query's pull. */
static void jacobian_rows(const Point *p, int slot, double dquery[M][M], double dkey[L][M][M],
                          double dvalue[L][M][M], double (*restrict jacobian)[N])
{
    double dscore[L][M];
    for (int e = 0; e < L; e++)
        for (int c = 0; c < M; c++) {
            double sum = 0.0;
            for (int a = 0; a < M; a++) sum += p->query[a] * dkey[e][a][c];
            dscore[e][c] = p->gain * sum;
        }
    for (int a = 0; a < M; a++) {
        double pull[M] = {0};
        for (int e = 0; e < L; e++) {
            double lean = p->weight[e] * (p->value[e][a] - p->att[a]);
            for (int c = 0; c < M; c++) {
                pull[c] += lean * p->key[e][c];
                jacobian[a][e * M + c] = p->weight[e] * dvalue[e][a][c] + lean * dscore[e][c];
            }
        }
        for (int c = 0; c < M; c++)
            for (int d = 0; d < M; d++) jacobian[a][slot * M + c] += p->gain * pull[d] * dquery[d][c];
    }
}

/* Modified Gram-Schmidt over the columns of frame, each against all later ones at a time. */
static void orthogonalise(double (*restrict frame)[N], double *restrict logs)
{
    for (int i = 0; i < N; i++) {
        double dot[N] = {0};
        for (int r = 0; r < N; r++)
            for (int j = i; j < N; j++) dot[j] += frame[r][i] * frame[r][j];
        double inverse = 1.0 / dot[i], norm = sqrt(inverse);
        logs[i] += 0.5 * log(dot[i]);
        for (int j = i + 1; j < N; j++) dot[j] *= inverse;
        for (int r = 0; r < N; r++) {
            double q = frame[r][i];
            for (int j = i + 1; j < N; j++) frame[r][j] -= q * dot[j];
            frame[r][i] = q * norm;
        }
    }
}

void spectrum(NETWORK, long n_points, POINTS, double (*rings)[L][M], int phase, long n_steps,
              double (*exponents)[N])
{
    static double frame[N][N], dkey[L][M][M], dvalue[L][M][M], jacobian[M][N];
    for (long i = 0; i < n_points; i++) {
        Point p = POINT(i);
        double dquery[M][M], fresh[M][N], logs[N] = {0};
        for (int s = 0; s < L; s++) {
            token(&p, rings[i][s], s);
            slope(&p, KEY, dkey[s]);
            slope(&p, VALUE, dvalue[s]);
        }
        int slot = phase;
        memcpy(p.att, rings[i][slot], sizeof p.att);
        memset(frame, 0, sizeof frame);
        for (int d = 0; d < L; d++)
            for (int a = 0; a < M; a++) frame[(slot - d + L) % L * M + a][d * M + a] = 1.0;
        for (long t = 0; t < n_steps; t++) {
            token(&p, p.att, slot);
            slope(&p, QUERY, dquery);
            slope(&p, KEY, dkey[slot]);
            slope(&p, VALUE, dvalue[slot]);
            attend(&p);
            jacobian_rows(&p, slot, dquery, dkey, dvalue, jacobian);
            memset(fresh, 0, sizeof fresh);
            for (int a = 0; a < M; a++)
                for (int r = 0; r < N; r++)
                    for (int k = 0; k < N; k++) fresh[a][k] += jacobian[a][r] * frame[r][k];
            slot = NEXT(slot);
            memcpy(frame[slot * M], fresh, sizeof fresh);
            orthogonalise(frame, logs);
        }
        for (int k = 0; k < N; k++) exponents[i][k] = logs[k] / n_steps;
    }
}
