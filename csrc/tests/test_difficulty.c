#include "difficulty.h"

#include "check.h"
#include "draw.h"
#include "error.h"

enum { N = 600, MOST = 19 };

static const ms_difficulty_law law = {{.seed = 5, .column = 77, .replication = 2}, .signal = 0.8, .mean = 0.25, .deviation = 1.5};
static double difficulty[N], columns[MOST * N], rows[(N + 1) * MOST];

static void fill(void)
{
    const ms_stream own = {.seed = 5, .column = 78};
    ms_draw_normal(&own, 0, 0, N, difficulty);
}

/* Each feature has the draws of one stream, a pair of features those of one sub. */
static void features_are_the_draws_of_their_streams(void)
{
    static double noise[N];
    fill();
    for (int32_t d = 1; d <= 5; d++) {
        ms_difficulty_columns(&law, 40, N, d, difficulty, columns);
        for (int32_t j = 0; j < d; j++) {
            ms_stream stream = law.stream;
            stream.sub = (uint32_t)j / 2;
            ms_draw_normal(&stream, j % 2, 40, N, noise);
            int equal = 1;
            for (int i = 0; i < N; i++) {
                const double seen = 0.8 * ((difficulty[i] - 0.25) / 1.5);
                equal &= same_bits(columns[j * N + i], j == 0 ? noise[i] * sqrt(1.0 - 0.8 * 0.8) + seen : noise[i]);
            }
            CHECK(equal);
        }
    }
}

static void rows_are_columns_turned(void)
{
    const int64_t lengths[] = {1, 2, 3, 4, 7, 255, 256, 257, 512, 599};
    fill();
    for (int32_t d = 1; d <= MOST; d++) {
        for (int k = 0; k < 10; k++) {
            const int64_t n = lengths[k];
            ms_difficulty_columns(&law, 9, n, d, difficulty, columns);
            rows[n * d] = -123.0;
            ms_difficulty_rows(&law, 9, n, d, difficulty, rows);
            int equal = rows[n * d] == -123.0;
            for (int64_t i = 0; i < n; i++) {
                for (int32_t j = 0; j < d; j++) {
                    equal &= same_bits(rows[i * d + j], columns[j * n + i]);
                }
            }
            CHECK(equal);
        }
    }
}

/* In order, again, back, and forward past some: each has its own row, and behind it those of so many neighbours. */
static void everybody_has_a_row(void)
{
    enum { D = 6, FIRST = 1000 };
    const int64_t asked[] = {0, 1, 1, 255, 256, 200, 257, 3, 3, 511, 512, 590, 599, 0};
    fill();
    ms_difficulty_columns(&law, FIRST, N, D, difficulty, columns);
    ms_feature_rows drawn;
    CHECK(ms_feature_rows_init(&drawn, &law, D) == 0);
    for (int k = 0; k < 14; k++) {
        int64_t left;
        const int64_t i = asked[k];
        const double *row = ms_feature_rows_of(&drawn, FIRST + i, difficulty + i, N - i, &left);
        CHECK(left >= 1 && left <= MS_FEATURE_ROWS && i + left <= N);
        int equal = 1;
        for (int64_t more = 0; more < left; more++) {
            for (int j = 0; j < D; j++) {
                equal &= same_bits(row[more * D + j], columns[j * N + i + more]);
            }
        }
        CHECK(equal);
    }
    ms_feature_rows_free(&drawn);
}

/* Who comes in order finds rows drawn for all of them at once; who is asked for out of turn does not cost them theirs. */
static void rows_are_drawn_for_many(void)
{
    enum { D = 2 };
    fill();
    ms_feature_rows drawn;
    CHECK(ms_feature_rows_init(&drawn, &law, D) == 0);
    int64_t left;
    const double *first = ms_feature_rows_of(&drawn, 300, difficulty, N, &left);
    CHECK(left == MS_FEATURE_ROWS);
    CHECK(ms_feature_rows_of(&drawn, 310, difficulty + 10, N - 10, &left) == first + 10 * D && left == MS_FEATURE_ROWS - 10);
    CHECK(ms_feature_rows_of(&drawn, 5, difficulty, 1, &left) != first && left == 1);
    CHECK(ms_feature_rows_of(&drawn, 311, difficulty + 11, N - 11, &left) == first + 11 * D && left == MS_FEATURE_ROWS - 11);
    CHECK(ms_feature_rows_of(&drawn, 300 + MS_FEATURE_ROWS, difficulty, 3, &left) == first && left == 3);
    CHECK(drawn.first == 300 + MS_FEATURE_ROWS && drawn.end == drawn.first + 3);
    ms_feature_rows_free(&drawn);
    CHECK(drawn.rows == NULL);
}

int main(void)
{
    RUN(features_are_the_draws_of_their_streams);
    RUN(rows_are_columns_turned);
    RUN(everybody_has_a_row);
    RUN(rows_are_drawn_for_many);
    return report();
}
