#include "draw.h"

#include "check.h"
#include "maths.h"

static const ms_stream stream = {20, 0x9e3779b9, 3, 1};

enum { CHUNK = 3000 };

/* Integers and one rounding-free product: no bit trick. */
static double expected_uniform(const ms_stream *s, int odd, uint64_t request)
{
    const uint32_t key[2] = {s->seed, s->column};
    const uint32_t counter[4] = {(uint32_t)request, (uint32_t)(request >> 32), s->replication, s->sub};
    uint32_t w[4];
    ms_philox_block(key, counter, w);
    const uint64_t k = ((uint64_t)w[odd ? 2 : 0] << 32 | w[odd ? 3 : 1]) / 4096;
    return (double)(2 * k + 1) / 9007199254740992.0;
}

static void uniforms_are_52_bits_of_a_block(void)
{
    double u[CHUNK];
    for (int odd = 0; odd < 2; odd++) {
        ms_draw_uniform(&stream, odd, 77, CHUNK, u);
        for (uint64_t i = 0; i < CHUNK; i++) {
            CHECK(same_bits(u[i], expected_uniform(&stream, odd, 77 + i)));
            CHECK(same_bits(u[i], ms_draw_one(&stream, odd, 77 + i)));
        }
    }
}

static void choices_are_the_first_word(void)
{
    double u[100];
    ms_draw_choice(&stream, 5, 100, u);
    for (uint64_t i = 0; i < 100; i++) {
        const uint32_t key[2] = {stream.seed, stream.column};
        const uint32_t counter[4] = {(uint32_t)(5 + i), 0, stream.replication, stream.sub};
        uint32_t w[4];
        ms_philox_block(key, counter, w);
        CHECK(same_bits(u[i], ((double)w[0] + 0.5) / 4294967296.0));
    }
}

/* Every column kind behind one signature. */
typedef void (*column_fn)(int odd, uint64_t first, int64_t n, double *out);

static void uniform(int odd, uint64_t first, int64_t n, double *out)
{
    ms_draw_uniform(&stream, odd, first, n, out);
}

static void choice(int odd, uint64_t first, int64_t n, double *out)
{
    (void)odd;
    ms_draw_choice(&stream, first, n, out);
}

static void exponential(int odd, uint64_t first, int64_t n, double *out)
{
    ms_draw_exponential(&stream, odd, first, n, out);
}

static void normal(int odd, uint64_t first, int64_t n, double *out)
{
    ms_draw_normal(&stream, odd, first, n, out);
}

static void lognormal(int odd, uint64_t first, int64_t n, double *out)
{
    ms_draw_lognormal(&stream, odd, first, n, 5.0, 0.75, out);
}

static const column_fn columns[] = {uniform, choice, exponential, normal, lognormal};

enum { N_COLUMNS = sizeof columns / sizeof columns[0] };

static void chunks_do_not_show(void)
{
    lcg chance = {5};
    for (int c = 0; c < N_COLUMNS; c++) {
        double whole[CHUNK], parts[CHUNK];
        columns[c](1, 1000, CHUNK, whole);
        for (int repeat = 0; repeat < 20; repeat++) {
            for (int64_t at = 0; at < CHUNK;) {
                int64_t n = lcg_between(&chance, 1, repeat < 10 ? 40 : 1500);
                n = n < CHUNK - at ? n : CHUNK - at;
                columns[c](1, (uint64_t)(1000 + at), n, parts + at);
                at += n;
            }
            CHECK(memcmp(whole, parts, sizeof whole) == 0);
        }
    }
}

static void nothing_is_written_past_the_end(void)
{
    for (int c = 0; c < N_COLUMNS; c++) {
        for (int64_t n = 0; n < 70; n++) {
            double out[71];
            out[n] = -123.0;
            columns[c](0, 9, n, out);
            CHECK(out[n] == -123.0);
        }
    }
}

static void draws_are_quantiles_of_the_uniform(void)
{
    double u[CHUNK], z[CHUNK], x[CHUNK];
    for (int odd = 0; odd < 2; odd++) {
        ms_draw_uniform(&stream, odd, 0, CHUNK, u);
        ms_draw_exponential(&stream, odd, 0, CHUNK, x);
        ms_draw_normal(&stream, odd, 0, CHUNK, z);
        for (int i = 0; i < CHUNK; i++) {
            CHECK(same_bits(x[i], ms_exponential_quantile(u[i])));
            CHECK(same_bits(z[i], ms_normal_quantile(u[i])));
        }
        ms_draw_lognormal(&stream, odd, 0, CHUNK, 5.0, 0.75, x);
        for (int i = 0; i < CHUNK; i++) {
            CHECK(same_bits(x[i], ms_exp(5.0 + 0.75 * z[i])));
        }
    }
}

static void pairs_are_both_components(void)
{
    static double pair[2 * CHUNK + 1], even[CHUNK + 1], odd[CHUNK + 1], a[CHUNK], b[CHUNK];
    for (int64_t n = 0; n <= CHUNK; n = 3 * n + 1) {
        pair[2 * n] = even[n] = odd[n] = -123.0;
        ms_draw_uniform(&stream, 0, 77, n, a);
        ms_draw_uniform(&stream, 1, 77, n, b);
        ms_draw_uniform_pair(&stream, 77, n, pair);
        int equal = pair[2 * n] == -123.0;
        for (int64_t i = 0; i < n; i++) {
            equal &= same_bits(pair[2 * i], a[i]) && same_bits(pair[2 * i + 1], b[i]);
        }
        CHECK(equal);
        ms_draw_normal(&stream, 0, 77, n, a);
        ms_draw_normal(&stream, 1, 77, n, b);
        ms_draw_normal_pair(&stream, 77, n, even, odd);
        CHECK(memcmp(a, even, (size_t)n * sizeof *a) == 0 && memcmp(b, odd, (size_t)n * sizeof *b) == 0);
        CHECK(even[n] == -123.0 && odd[n] == -123.0);
    }
}

static void token_counts_are_rounded_draws(void)
{
    static double x[CHUNK];
    static int32_t tokens[CHUNK + 1];
    for (int64_t n = 0; n <= CHUNK; n = 3 * n + 1) {
        tokens[n] = -123;
        ms_draw_exponential(&stream, 0, 9, n, x);
        ms_draw_geometric(&stream, 9, n, 150.0, 400.0, tokens);
        int equal = tokens[n] == -123;
        for (int64_t i = 0; i < n; i++) {
            const double count = 1.0 + floor(150.0 * x[i]);
            equal &= tokens[i] == (count < 400.0 ? count : 400.0);
        }
        CHECK(equal);
        ms_draw_lognormal(&stream, 0, 9, n, 1.0, 2.0, x);
        ms_draw_lognormal_count(&stream, 9, n, 1.0, 2.0, 100.0, tokens);
        equal = tokens[n] == -123;
        for (int64_t i = 0; i < n; i++) {
            const double count = floor(x[i] + 0.5);
            equal &= tokens[i] == (count < 1.0 ? 1.0 : count < 100.0 ? count : 100.0);
        }
        CHECK(equal);
    }
}

static void outcomes_are_choices_against_a_sigmoid(void)
{
    static double difficulty[CHUNK], u[CHUNK], out[CHUNK + 1];
    lcg chance = {16};
    for (int i = 0; i < CHUNK; i++) {
        difficulty[i] = 6.0 * lcg_unit(&chance) - 3.0;
    }
    for (int64_t n = 0; n <= CHUNK; n = 3 * n + 1) {
        out[n] = -123.0;
        ms_draw_choice(&stream, 9, n, u);
        ms_draw_logistic(&stream, 9, n, 1.5, 0.25, difficulty, out);
        int equal = out[n] == -123.0;
        for (int64_t i = 0; i < n; i++) {
            equal &= out[i] == (u[i] < ms_sigmoid(1.5 * (0.25 - difficulty[i])) ? 1.0 : 0.0);
        }
        CHECK(equal);
    }
}

/* Difficulties that bring the chance within any distance of the draw, down to one rounding, and far beyond all draws. */
static void close_outcomes_are_those_of_the_sigmoid(void)
{
    static double difficulty[CHUNK], u[CHUNK], out[CHUNK];
    const double far[] = {0.0, -0.0, 1e9, -1e9, 79.0, 81.0, -79.0, -81.0, 709.0, -709.0, INFINITY, -INFINITY, NAN};
    const int n_far = (int)(sizeof far / sizeof *far);
    lcg chance = {17};
    ms_draw_choice(&stream, 9, CHUNK, u);
    for (int digits = 0; digits < 18; digits++) {
        const double slope = digits & 1 ? 1.5 : -2.0;
        double distance = 1.0;
        for (int k = 0; k < digits; k++) {
            distance /= 10.0;
        }
        for (int i = 0; i < CHUNK; i++) {
            difficulty[i] = 0.25 + ms_log(1.0 / u[i] - 1.0) / slope + distance * (lcg_unit(&chance) - 0.5);
        }
        for (int k = 0; k < n_far; k++) {
            difficulty[7 * k + digits] = far[k];
        }
        ms_draw_logistic(&stream, 9, CHUNK, slope, 0.25, difficulty, out);
        int ones = 0, equal = 1;
        for (int i = 0; i < CHUNK; i++) {
            equal &= out[i] == (u[i] < ms_sigmoid(slope * (0.25 - difficulty[i])) ? 1.0 : 0.0);
            ones += out[i] == 1.0;
        }
        CHECK(equal && ones > CHUNK / 8 && ones < 7 * CHUNK / 8);
    }
}

/* Blocks compute the centre for all and put the tails back: the same bits as one at a time, also where
 * all are tails, and on both sides of exp(-25), where the far range begins. */
static void blocks_of_normals_equal_one_at_a_time(void)
{
    lcg chance = {6};
    double u[CHUNK], z[CHUNK];
    for (int depth = 0; depth < 40; depth++) {
        for (int i = 0; i < CHUNK; i++) {
            const double tail = ms_exp(-(double)depth * lcg_unit(&chance)) / 2.0;
            u[i] = lcg_next(&chance) & 1 ? tail : 1.0 - tail;
            u[i] = u[i] < 1.0 ? u[i] : 1.0 - 0x1p-53;
        }
        ms_draw_quantile_normal(u, CHUNK, z);
        for (int i = 0; i < CHUNK; i++) {
            CHECK(same_bits(z[i], ms_normal_quantile(u[i])));
        }
    }
    for (int i = 0; i < CHUNK; i++) {
        u[i] = ms_exp(-25.0) * (1.0 + 1e-2 * (lcg_unit(&chance) - 0.5));
    }
    ms_draw_quantile_normal(u, CHUNK, z);
    for (int i = 0; i < CHUNK; i++) {
        CHECK(same_bits(z[i], ms_normal_quantile(u[i])));
    }
}

static void arrays_of_exp_and_log_equal_one_at_a_time(void)
{
    lcg chance = {7};
    double x[CHUNK], y[CHUNK], back[CHUNK];
    for (int i = 0; i < CHUNK; i++) {
        x[i] = 1500.0 * lcg_unit(&chance) - 750.0;
    }
    ms_draw_exp_many(x, CHUNK, y);
    ms_draw_log_many(y, CHUNK, back);
    for (int i = 0; i < CHUNK; i++) {
        CHECK(same_bits(y[i], ms_exp(x[i])));
        CHECK(same_bits(back[i], ms_log(y[i])));
    }
}

/* One number for all builds: with and without vector instructions, sanitizers, optimisation. */
static void every_build_gives_the_same_bits(void)
{
    static const uint64_t golden[] = {0xe9587b61d88ee2a3, 0x41f16669a0a64b85, 0x7dcc441d92e8c2d5,
                                      0xf379dcd08a4e7d73, 0xe8f9040d9ce39b10};
    double x[CHUNK];
    for (int c = 0; c < N_COLUMNS; c++) {
        columns[c](0, 123456789012u, CHUNK, x);
        CHECK(hash_of(x, CHUNK) == golden[c]);
    }
}

/* Each of its own model's column, mean and longest; past a block, too. */
static void counts_of_each_model_have_its_column(void)
{
    static const uint32_t own[] = {3, 9, 4};
    static const double scales[] = {150.0, 20.0, 3.0}, mosts[] = {400.0, 30.0, 1000.0};
    static int32_t tokens[CHUNK + 1], model[CHUNK];
    for (int i = 0; i < CHUNK; i++) {
        model[i] = (i * i + i / 7) % 3;
    }
    for (int64_t n = 0; n <= CHUNK; n = 3 * n + 1) {
        tokens[n] = -123;
        ms_draw_geometric_of(&stream, 9, n, model, own, scales, mosts, tokens);
        int equal = tokens[n] == -123;
        for (int64_t i = 0; i < n; i++) {
            const int32_t m = model[i];
            const ms_stream its = {stream.seed, own[m], stream.replication, stream.sub};
            const double count = 1.0 + floor(scales[m] * ms_exponential_quantile(ms_draw_one(&its, 0, (uint64_t)(9 + i))));
            equal &= tokens[i] == (count < mosts[m] ? count : mosts[m]);
        }
        CHECK(equal);
    }
}

/* From left to right, whatever was summed before. */
static void sums_are_those_up_to_each(void)
{
    double x[] = {1e16, 1.0, 1.0, -9.0}, y[] = {0.5, 0.25, -9.0};
    CHECK(ms_draw_sum_up(x, 3, 1.0) == 1e16 && x[0] == 1e16 && x[1] == 1e16 && x[2] == 1e16 && x[3] == -9.0);
    CHECK(ms_draw_sum_up(y, 2, 4.0) == 4.75 && y[0] == 4.5 && y[1] == 4.75 && y[2] == -9.0);
    CHECK(ms_draw_sum_up(NULL, 0, 3.0) == 3.0);
}

int main(void)
{
    RUN(sums_are_those_up_to_each);
    RUN(uniforms_are_52_bits_of_a_block);
    RUN(choices_are_the_first_word);
    RUN(chunks_do_not_show);
    RUN(nothing_is_written_past_the_end);
    RUN(draws_are_quantiles_of_the_uniform);
    RUN(pairs_are_both_components);
    RUN(token_counts_are_rounded_draws);
    RUN(outcomes_are_choices_against_a_sigmoid);
    RUN(close_outcomes_are_those_of_the_sigmoid);
    RUN(blocks_of_normals_equal_one_at_a_time);
    RUN(arrays_of_exp_and_log_equal_one_at_a_time);
    RUN(every_build_gives_the_same_bits);
    RUN(counts_of_each_model_have_its_column);
    return report();
}
