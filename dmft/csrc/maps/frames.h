/* Frames of tangents, so many lanes at a time: included by tangents.c once for vectors and once for single numbers, with
 * the same operations, so that a lane has the same bits in both. There is nothing in it for others.
 */
#ifdef OF

/* The numbers of a group of lanes at a place. */
#define AT(array, place) (*(PLACE *)((array) + (place) * pitch + g))
#define GIVEN(array, place) (*(const PLACE *)((array) + (place) * pitch + g))
#define EACH_GROUP(g, pitch) for (ptrdiff_t g = 0; g < (pitch); g += N_LANES)

/* top = rows frame; of sizes: of the sizes of rows. */
INLINE void OF(product)(ptrdiff_t pitch, ptrdiff_t size, ptrdiff_t n_in, ptrdiff_t n_tangents, const double *rows,
                        double *frame, double *top, const int of_sizes)
{
    const ptrdiff_t row = n_tangents * pitch;
    EACH_GROUP(g, pitch)
        for (ptrdiff_t a = 0; a < size; a++)
            for (ptrdiff_t c = 0; c < n_tangents; c += 4) { /* four sums at once: none waits for itself */
                const ptrdiff_t n = n_tangents - c < 4 ? n_tangents - c : 4;
                NUMBER sums[4] = {SPLAT(0.0), SPLAT(0.0), SPLAT(0.0), SPLAT(0.0)};
#define ADD(n)                                                                      \
    for (ptrdiff_t b = 0; b < n_in; b++) {                                          \
        const NUMBER given = GIVEN(rows, a * n_in + b), entry = of_sizes ? SIZE(given) : given; \
        for (int k = 0; k < n; k++) sums[k] = FMA(entry, AT(frame, b * n_tangents + c + k), sums[k]); \
    }
                if (n == 4) ADD(4)
                else ADD(n)
#undef ADD
                for (ptrdiff_t k = 0; k < n; k++) AT(top, a * n_tangents + c + k) = sums[k];
            }
    memmove(frame + size * row, frame, (n_in - size) * row * sizeof(double));
    memcpy(frame, top, size * row * sizeof(double));
}

INLINE void OF(carry)(ptrdiff_t pitch, ptrdiff_t size, ptrdiff_t n_in, ptrdiff_t n_tangents, const double *rows,
                      double *frame, double *bound, double *top, int begins, int spreads)
{
    if (begins)
        EACH_GROUP(g, pitch)
            for (ptrdiff_t at = 0; at < n_in * n_tangents; at++) AT(bound, at) = SIZE(AT(frame, at));
    if (spreads) OF(product)(pitch, size, n_in, n_tangents, rows, bound, top, 1);
    OF(product)(pitch, size, n_in, n_tangents, rows, frame, top, 0);
    LEAVE();
}

/* Reflect column c from row j on: I - scale v v^T, with v[j] = 1, rows of v below in `below` (n_in, n_tangents). */
INLINE void OF(reflect)(ptrdiff_t pitch, ptrdiff_t g, ptrdiff_t n_in, ptrdiff_t n_tangents, double *frame,
                        const double *below, NUMBER scale, ptrdiff_t j, ptrdiff_t c)
{
    NUMBER even = AT(frame, j * n_tangents + c), odd = SPLAT(0.0); /* two sums: each waits for itself half as often */
    ptrdiff_t i = j + 1;
    for (; i + 1 < n_in; i += 2) {
        odd = FMA(GIVEN(below, i * n_tangents + j), AT(frame, i * n_tangents + c), odd);
        even = FMA(GIVEN(below, (i + 1) * n_tangents + j), AT(frame, (i + 1) * n_tangents + c), even);
    }
    if (i < n_in) odd = FMA(GIVEN(below, i * n_tangents + j), AT(frame, i * n_tangents + c), odd);
    const NUMBER part = scale * (even + odd);
    AT(frame, j * n_tangents + c) -= part;
    for (i = j + 1; i < n_in; i++)
        AT(frame, i * n_tangents + c) = FMA(-part, GIVEN(below, i * n_tangents + j), AT(frame, i * n_tangents + c));
}

/* Factors of a group of lanes: the frame becomes Q, `lengths` the diagonal of R without its signs. A column is scaled by a
   power of two, so that no square leaves the range of doubles. */
INLINE void OF(factorise)(ptrdiff_t pitch, ptrdiff_t g, ptrdiff_t n_in, ptrdiff_t n_tangents, double *frame,
                          double *lengths, double *below, double *scales)
{
    for (ptrdiff_t j = 0; j < n_tangents; j++) {
        const NUMBER head = AT(frame, j * n_tangents + j);
        NUMBER rest = SPLAT(0.0);
        for (ptrdiff_t i = j + 1; i < n_in; i++) rest = LARGER(SIZE(AT(frame, i * n_tangents + j)), rest);
        INTEGER exponent = BITS(LARGER(SIZE(head), rest)) >> 52;
        exponent += (exponent < 1) & 1;
        exponent -= (exponent > 2045) & 1;
        const NUMBER up = OF_BITS((2046 - exponent) << 52), down = OF_BITS(exponent << 52), first = head * up;
        NUMBER sum = first * first;
        for (ptrdiff_t i = j + 1; i < n_in; i++) {
            const NUMBER x = AT(frame, i * n_tangents + j) * up;
            sum = FMA(x, x, sum);
        }
        const NUMBER root = ROOT(sum), length = OF_BITS(BITS(root) | (~BITS(head) & INT64_MIN));
        const INTEGER flat = rest == 0.0; /* nothing to reflect */
        const NUMBER scale = WHERE(flat, SPLAT(0.0), (length - first) / length);
        const NUMBER inverse = WHERE(flat, SPLAT(0.0), 1.0 / (first - length));
        for (ptrdiff_t i = j + 1; i < n_in; i++)
            AT(below, i * n_tangents + j) = AT(frame, i * n_tangents + j) * up * inverse;
        AT(scales, j) = scale;
        AT(lengths, j) = WHERE(flat, SIZE(head), root * down);
        for (ptrdiff_t c = j + 1; c < n_tangents; c++)
            OF(reflect)(pitch, g, n_in, n_tangents, frame, below, scale, j, c);
    }
    for (ptrdiff_t j = n_tangents - 1; j >= 0; j--) {
        const NUMBER scale = AT(scales, j);
        for (ptrdiff_t c = j + 1; c < n_tangents; c++) {
            AT(frame, j * n_tangents + c) = SPLAT(0.0);
            OF(reflect)(pitch, g, n_in, n_tangents, frame, below, scale, j, c);
        }
        for (ptrdiff_t i = 0; i < j; i++) AT(frame, i * n_tangents + j) = SPLAT(0.0);
        AT(frame, j * n_tangents + j) = 1.0 - scale;
        for (ptrdiff_t i = j + 1; i < n_in; i++)
            AT(frame, i * n_tangents + j) = -scale * GIVEN(below, i * n_tangents + j);
    }
}

INLINE void OF(straighten)(ptrdiff_t pitch, ptrdiff_t size, ptrdiff_t n_in, ptrdiff_t n_tangents, const double *rows,
                           double rounding, double *frame, const double *bound, double *kept, double *tilt,
                           double *logs, double *doubt, double *work)
{
    double *below = work, *scales = below + n_in * n_tangents * pitch, *lengths = scales + n_tangents * pitch;
    memcpy(kept, frame, n_in * n_tangents * pitch * sizeof(double));
    EACH_GROUP(g, pitch) {
        NUMBER nothing = SPLAT(0.0), square = SPLAT(rows ? (double)(n_in - size) : 0.0), turned = SPLAT(0.0);
        for (ptrdiff_t at = 0; at < n_in * n_tangents; at++) nothing += AT(frame, at) * 0.0;
        if (rows)
            for (ptrdiff_t at = 0; at < size * n_in; at++) square = FMA(GIVEN(rows, at), GIVEN(rows, at), square);
        else
            for (ptrdiff_t at = 0; at < n_in * n_tangents; at++)
                square = FMA(GIVEN(bound, at), GIVEN(bound, at), square);
        for (ptrdiff_t at = 0; at < n_tangents * n_tangents; at++) turned = FMA(AT(tilt, at), AT(tilt, at), turned);
        OF(factorise)(pitch, g, n_in, n_tangents, frame, lengths, below, scales);
        NUMBER least = AT(lengths, 0);
        for (ptrdiff_t c = 1; c < n_tangents; c++) least = WHERE(AT(lengths, c) < least, AT(lengths, c), least);
        const NUMBER largest = ROOT(square), most = 3.0 * rounding * largest;
        const INTEGER sure = (nothing == 0.0) & (least > GRADED * largest) & (least >= 0x1p-1022)
                           & (turned <= FAINT * FAINT);
        AT(doubt, 0) = WHERE(sure, SPLAT(0.0), SPLAT(1.0));
        for (ptrdiff_t c = 0; c < n_tangents; c++) {
            const NUMBER length = AT(lengths, c), inverse = 1.0 / length;
            AT(logs, c) = LOG(length);
            for (ptrdiff_t j = c + 1; j < n_tangents; j++) {
                const NUMBER old = AT(tilt, c * n_tangents + j), moved = old * AT(lengths, j) + most;
                AT(tilt, c * n_tangents + j) = WHERE(sure, moved * inverse, old);
            }
        }
    }
    LEAVE();
}

#undef AT
#undef GIVEN
#undef EACH_GROUP

#endif
