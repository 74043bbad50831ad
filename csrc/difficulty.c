#include "difficulty.h"

#include <math.h>

#include "draw.h"
#include "error.h"
#include "fours.h"
#include "memory.h"

enum { BLOCK = 256, GROUP = 8 }; /* so many features of so many requests are drawn in the cache, and then turned */

static ms_stream stream_of(const ms_difficulty_law *law, int32_t pair)
{
    ms_stream stream = law->stream;
    stream.sub = (uint32_t)pair;
    return stream;
}

static void draw_pair(const ms_difficulty_law *law, int32_t pair, uint64_t first, int64_t n, double *even, double *odd)
{
    const ms_stream stream = stream_of(law, pair);
    ms_draw_normal_pair(&stream, first, n, even, odd);
}

static void see_difficulty(const ms_difficulty_law *law, int64_t n, const double *difficulty, double *noise)
{
    const double signal = law->signal, share = sqrt(1.0 - signal * signal);
    for (int64_t i = 0; i < n; i++) {
        noise[i] = noise[i] * share + signal * ((difficulty[i] - law->mean) / law->deviation);
    }
}

void ms_difficulty_columns(const ms_difficulty_law *law, uint64_t first, int64_t n, int32_t dimensions,
                           const double *difficulty, double *out)
{
    int32_t j = 0;
    for (; j + 2 <= dimensions; j += 2) {
        draw_pair(law, j / 2, first, n, out + j * n, out + (j + 1) * n);
    }
    if (j < dimensions) {
        const ms_stream stream = stream_of(law, j / 2);
        ms_draw_normal(&stream, 0, first, n, out + j * n);
    }
    see_difficulty(law, n, difficulty, out);
}

/* Columns become `width` values of each row of `dimensions`. */
MS_CLONES static void turn(double columns[GROUP][BLOCK], int64_t n, int32_t width, int32_t dimensions, double *out)
{
    int32_t j = 0;
    for (; j + 4 <= width; j += 4) {
        int64_t i = 0;
        for (; i + 4 <= n; i += 4) {
            ms_four rows[4];
            for (int k = 0; k < 4; k++) {
                rows[k] = *(const ms_four *)(columns[j + k] + i);
            }
            ms_fours_turn(rows);
            for (int k = 0; k < 4; k++) {
                *(ms_four *)(out + (i + k) * dimensions + j) = rows[k];
            }
        }
        for (; i < n; i++) {
            for (int k = 0; k < 4; k++) {
                out[i * dimensions + j + k] = columns[j + k][i];
            }
        }
    }
    for (; j < width; j++) {
        for (int64_t i = 0; i < n; i++) {
            out[i * dimensions + j] = columns[j][i];
        }
    }
}

void ms_difficulty_rows(const ms_difficulty_law *law, uint64_t first, int64_t n, int32_t dimensions,
                        const double *difficulty, double *out)
{
    double columns[GROUP][BLOCK];
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t length = n - start < BLOCK ? n - start : BLOCK;
        for (int32_t from = 0; from < dimensions; from += GROUP) {
            const int32_t width = dimensions - from < GROUP ? dimensions - from : GROUP;
            for (int32_t j = 0; j < width; j += 2) {
                draw_pair(law, (from + j) / 2, first + (uint64_t)start, length, columns[j], columns[j + 1]);
            }
            if (from == 0) {
                see_difficulty(law, length, difficulty + start, columns[0]);
            }
            turn(columns, length, width, dimensions, out + start * dimensions + from);
        }
    }
}

int ms_feature_rows_init(ms_feature_rows *self, const ms_difficulty_law *law, int32_t dimensions)
{
    *self = (ms_feature_rows){.law = *law, .dimensions = dimensions};
    self->rows = ms_memory_take((MS_FEATURE_ROWS + 1) * (size_t)dimensions * sizeof *self->rows);
    return self->rows != NULL ? 0 : MS_ERR_MEMORY;
}

void ms_feature_rows_free(ms_feature_rows *self)
{
    ms_memory_give(self->rows);
    *self = (ms_feature_rows){0};
}

const double *ms_feature_rows_of(ms_feature_rows *self, int64_t request, const double *difficulty, int64_t n, int64_t *left)
{
    double *row = self->rows;
    if (request >= self->end) {
        self->first = request;
        self->end = request + (n < MS_FEATURE_ROWS ? n : MS_FEATURE_ROWS);
        ms_difficulty_rows(&self->law, (uint64_t)request, self->end - request, self->dimensions, difficulty, row);
    }
    if (request >= self->first) {
        *left = self->end - request;
        return row + (request - self->first) * self->dimensions;
    }
    row += MS_FEATURE_ROWS * self->dimensions;
    ms_difficulty_rows(&self->law, (uint64_t)request, 1, self->dimensions, difficulty, row);
    *left = 1;
    return row;
}
