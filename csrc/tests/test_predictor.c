#include "predictor.h"

#include "check.h"
#include "error.h"
#include "maths.h"

static void fill(lcg *chance, double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] = 4.0 * lcg_unit(chance) - 2.0;
    }
}

/* A predictor with random weights, so that nothing is hidden by zeros. */
static ms_predictor made(lcg *chance, int32_t models, int32_t features)
{
    ms_predictor p;
    CHECK(ms_predictor_init(&p, models, features) == 0);
    fill(chance, p.weights, (int64_t)models * features);
    fill(chance, p.bias, models);
    p.learning_rate = 0.5;
    return p;
}

static void all_starts_at_a_half(void)
{
    ms_predictor p;
    CHECK(ms_predictor_init(&p, 3, 2) == 0);
    const double x[] = {5.0, -7.0};
    double scores[3] = {0.0, 0.0, 0.0};
    ms_predictor_score(&p, x, 1, 1, scores, 1);
    CHECK(scores[0] == 0.5 && scores[1] == 0.5 && scores[2] == 0.5);
    CHECK(p.version == 0);
    ms_predictor_free(&p);
}

/* For every shape, each score equals the sum written down: over j in order, the bias last. */
static void blocks_give_the_bits_of_the_plain_sum(void)
{
    enum { MOST = 130, D = 9, X_STRIDE = 137, S_STRIDE = 131 };
    static double x[D * X_STRIDE], scores[10 * S_STRIDE];
    lcg chance = {12};
    fill(&chance, x, D * X_STRIDE);
    for (int32_t models = 1; models <= 9; models++) {
        for (int32_t features = 0; features <= D; features += 3) {
            ms_predictor p = made(&chance, models, features);
            for (int64_t n = 0; n <= MOST; n += n < 34 ? 1 : 32) {
                scores[(models - 1) * S_STRIDE + n] = -9.0;
                ms_predictor_score(&p, x, X_STRIDE, n, scores, S_STRIDE);
                int equal = scores[(models - 1) * S_STRIDE + n] == -9.0;
                for (int64_t i = 0; i < n; i++) {
                    for (int32_t m = 0; m < models; m++) {
                        double sum = 0.0;
                        for (int32_t j = 0; j < features; j++) {
                            sum += p.weights[m * features + j] * x[j * X_STRIDE + i];
                        }
                        equal &= same_bits(scores[m * S_STRIDE + i], ms_sigmoid(sum + p.bias[m]));
                    }
                }
                CHECK(equal);
            }
            ms_predictor_free(&p);
        }
    }
}

/* Without features there is no x to point to. */
static void no_features_need_no_array(void)
{
    lcg chance = {15};
    ms_predictor p = made(&chance, 2, 0);
    double scores[2 * 100];
    ms_predictor_score(&p, NULL, 100, 100, scores, 100);
    for (int i = 0; i < 100; i++) {
        CHECK(scores[i] == ms_sigmoid(p.bias[0]) && scores[100 + i] == ms_sigmoid(p.bias[1]));
    }
    const double before = p.bias[0], labels[] = {1.0, NAN};
    ms_predictor_learn(&p, NULL, labels);
    CHECK(p.bias[0] > before);
    ms_predictor_free(&p);
}

static void a_step_goes_down_the_gradient(void)
{
    ms_predictor p;
    CHECK(ms_predictor_init(&p, 2, 2) == 0);
    p.learning_rate = 0.5;
    const double x[] = {2.0, -4.0}, labels[] = {1.0, 0.25};
    ms_predictor_learn(&p, x, labels);
    /* s = 1/2: d loss / d logit = s - y = -1/2 and 1/4 */
    CHECK(p.weights[0] == 0.5 && p.weights[1] == -1.0 && p.bias[0] == 0.25);
    CHECK(p.weights[2] == -0.25 && p.weights[3] == 0.5 && p.bias[1] == -0.125);
    CHECK(p.version == 1);
    ms_predictor_free(&p);
}

static void a_missing_label_takes_no_part(void)
{
    lcg chance = {13};
    ms_predictor p = made(&chance, 2, 2);
    p.momentum = 0.5, p.weight_decay = 0.25, p.clip = 1e-3;
    const double w0 = p.weights[0], w2 = p.weights[2], b0 = p.bias[0];
    const double x[] = {2.0, -4.0}, labels[] = {NAN, 1.0};
    ms_predictor_learn(&p, x, labels);
    CHECK(same_bits(p.weights[0], w0) && same_bits(p.bias[0], b0));
    CHECK(p.velocity[0] == 0.0 && p.velocity[2] == 0.0);
    CHECK(p.weights[2] != w2);
    CHECK(p.version == 1);
    ms_predictor_free(&p);
}

static void momentum_and_decay_are_pytorchs(void)
{
    ms_predictor p;
    CHECK(ms_predictor_init(&p, 1, 1) == 0);
    p.learning_rate = 0.5, p.momentum = 0.5, p.weight_decay = 0.25;
    const double x[] = {2.0}, labels[] = {1.0};
    ms_predictor_learn(&p, x, labels);
    CHECK(p.velocity[0] == -1.0 && p.weights[0] == 0.5);
    CHECK(p.velocity[1] == -0.5 && p.bias[0] == 0.25);
    const double g = ms_sigmoid(0.5 * 2.0 + 0.25) - 1.0;
    ms_predictor_learn(&p, x, labels);
    CHECK_NEAR(p.velocity[0], -0.5 + (g * 2.0 + 0.25 * 0.5), 1e-15);
    CHECK_NEAR(p.weights[0], 0.5 - 0.5 * (-0.5 + (g * 2.0 + 0.25 * 0.5)), 1e-15);
    CHECK_NEAR(p.velocity[1], -0.25 + (g + 0.25 * 0.25), 1e-15);
    CHECK_NEAR(p.bias[0], 0.25 - 0.5 * (-0.25 + (g + 0.25 * 0.25)), 1e-15);
    ms_predictor_free(&p);
}

/* AdaGrad divides by what it has seen so far: where that is nothing, the weight stays. */
static void adagrad_leaves_what_it_has_seen_nothing_of(void)
{
    ms_predictor p;
    CHECK(ms_predictor_init(&p, 1, 2) == 0);
    p.optimizer = MS_ADAGRAD;
    p.learning_rate = 0.5;
    const double x[] = {0.0, 2.0}, labels[] = {1.0};
    ms_predictor_learn(&p, x, labels); /* the gradient is (0.5 - 1) x, and the sum of squares its square */
    CHECK(p.weights[0] == 0.0 && p.weights[1] == 0.5 && p.bias[0] == 0.5);
    ms_predictor_free(&p);
}

/* In the scale of its features a step takes no answer's logit further than its gradient can be wrong by. */
static void a_step_in_scale_is_one_of_standardized_features(void)
{
    const double rates[] = {0.25, 4.0}, unknown[] = {NAN}, right[] = {1.0};
    for (int k = 0; k < 2; k++) {
        for (double momentum = 0.0; momentum <= 0.5; momentum += 0.5) {
            ms_predictor p;
            CHECK(ms_predictor_init(&p, 1, 1) == 0);
            p.standardizes = 1, p.learning_rate = rates[k], p.momentum = momentum;
            p.weights[0] = 0.5, p.bias[0] = -0.25;
            for (int i = 0; i < 40; i++) {
                const double x[] = {i % 2 == 0 ? 2.0 : 4.0};
                ms_predictor_learn(&p, x, unknown);
            }
            CHECK(p.weights[0] == 0.5 && p.bias[0] == -0.25);
            const double x[] = {5.0}, before = 0.5 * 5.0 - 0.25, g = ms_sigmoid(before) - 1.0;
            ms_predictor_learn(&p, x, right);
            const double z = p.scaler.standard[0], full = rates[k] * g * (1.0 + z * z);
            const double most = 2.0 * fabs(g) / (1.0 - momentum), share = fabs(full) > most ? most / fabs(full) : 1.0;
            CHECK((share < 1.0) == (k == 1) && z > 1.5);
            CHECK_NEAR(p.weights[0] * 5.0 + p.bias[0] - before, -share * full, 1e-12);
            CHECK_NEAR(p.weights[0], 0.5 - share * rates[k] * g * z * p.scaler.inverse[0], 1e-12);
            CHECK_NEAR(p.velocity[0], g * z, 1e-12);
            CHECK_NEAR(p.velocity[1], g, 1e-12);
            ms_predictor_free(&p);
        }
    }
}

/* Two models, two features: each parameter remembers its own gradients, in the features' scale too. */
static void each_parameter_has_a_memory_of_its_own(void)
{
    const double unknown[] = {NAN, NAN}, labels[] = {1.0, 0.25}, x[] = {5.0, -3.0};
    for (int standardizes = 0; standardizes < 2; standardizes++) {
        for (int k = 0; k < 2; k++) {
            ms_predictor p;
            CHECK(ms_predictor_init(&p, 2, 2) == 0);
            p.optimizer = k == 0 ? MS_SGD : MS_ADAGRAD;
            p.standardizes = standardizes, p.learning_rate = 1e-3, p.momentum = k == 0 ? 0.5 : 0.0;
            for (int i = 0; i < 40; i++) {
                const double seen[] = {i % 2 == 0 ? 2.0 : 4.0, i % 4 < 2 ? 1.0 : -2.0};
                ms_predictor_learn(&p, seen, unknown);
            }
            double memory[6] = {0};
            for (int step = 0; step < 3; step++) {
                double scores[2];
                ms_predictor_score(&p, x, 1, 1, scores, 1);
                ms_predictor_learn(&p, x, labels);
                const double *z = standardizes ? p.scaler.standard : x;
                for (int m = 0; m < 2; m++) {
                    for (int j = 0; j < 3; j++) { /* the last is the bias */
                        const double g = (scores[m] - labels[m]) * (j < 2 ? z[j] : 1.0);
                        memory[3 * m + j] = k == 0 ? 0.5 * memory[3 * m + j] + g : memory[3 * m + j] + g * g;
                        CHECK_NEAR(p.velocity[3 * m + j], memory[3 * m + j], 1e-12);
                    }
                }
            }
            ms_predictor_free(&p);
        }
    }
}

static double step_length(double clip)
{
    ms_predictor p;
    CHECK(ms_predictor_init(&p, 2, 2) == 0);
    p.learning_rate = 1.0, p.clip = clip;
    const double x[] = {2.0, 2.0}, labels[] = {1.0, 0.0}; /* norm = sqrt((8 + 1) (1/4 + 1/4)) */
    ms_predictor_learn(&p, x, labels);
    double squares = 0.0;
    for (int i = 0; i < 4; i++) {
        squares += p.weights[i] * p.weights[i];
    }
    squares += p.bias[0] * p.bias[0] + p.bias[1] * p.bias[1];
    ms_predictor_free(&p);
    return sqrt(squares);
}

static void a_long_gradient_is_clipped(void)
{
    CHECK_NEAR(step_length(0.0), sqrt(4.5), 1e-15);
    CHECK_NEAR(step_length(1.0), 1.0, 1e-15);
    CHECK_NEAR(step_length(2.0), 2.0, 1e-15);
    CHECK_NEAR(step_length(3.0), sqrt(4.5), 1e-15);
}

static void too_large_a_predictor_is_refused(void)
{
    ms_predictor p;
    CHECK(ms_predictor_init(&p, 1 << 20, INT32_MAX) == MS_ERR_MEMORY);
    CHECK(p.weights == NULL && p.bias == NULL && p.velocity == NULL && p.gradient == NULL);
    ms_predictor_free(&p);
}

static void every_build_gives_the_same_bits(void)
{
    enum { N = 333, D = 40, M = 6 };
    static double x[D * N], scores[M * N], labels[M];
    lcg chance = {14};
    ms_predictor p = made(&chance, M, D);
    p.momentum = 0.9, p.weight_decay = 0.01, p.clip = 1.0;
    fill(&chance, x, D * N);
    for (int step = 0; step < 50; step++) {
        for (int m = 0; m < M; m++) {
            labels[m] = lcg_unit(&chance) < 0.5 ? 0.0 : 1.0;
        }
        ms_predictor_learn(&p, x + step * D, labels);
    }
    ms_predictor_score(&p, x, N, N, scores, N);
    CHECK(hash_of(scores, M * N) == 0xebec6261d496ceb9);
    ms_predictor_free(&p);
}

/* Whoever asks, again or for another: the features of that request, and its scores. */
static void a_row_is_of_the_request_asked_for(void)
{
    const double x[] = {1.0, 2.0, 3.0, -1.0, -2.0, -3.0}; /* two features of three requests */
    const int64_t asked[] = {0, 0, 2, 0, 1, 1, 2};
    ms_predictor p;
    CHECK(ms_predictor_init(&p, 5, 2) == 0);
    for (int32_t m = 0; m < 5; m++) {
        p.weights[2 * m] = m;
        p.weights[2 * m + 1] = 0.25;
    }
    for (int k = 0; k < 7; k++) {
        const double *row = ms_predictor_row(&p, asked[k], x + asked[k], 3, 1);
        double scores[8], alone[5];
        CHECK(row[0] == x[asked[k]] && row[1] == x[3 + asked[k]]);
        ms_predictor_score_row(&p, row, scores);
        ms_predictor_score(&p, x + asked[k], 3, 1, alone, 1);
        CHECK(memcmp(scores, alone, sizeof alone) == 0);
    }
    ms_predictor_free(&p);
}

/* Those of a line of the cache are gathered at once where they are likely to be asked for; beyond the last there is nothing
 * to read, and another page's requests are others, also of the number that was asked for last. */
static void rows_of_neighbours_are_their_own(void)
{
    enum { D = 5, N = 2 * MS_ROWS + 3 };
    static double x[D * N];
    const int64_t asked[] = {0, 1, MS_ROWS - 1, MS_ROWS, 3, 2, N - MS_ROWS, N - 1, N - 2, MS_ROWS, 0};
    ms_predictor p;
    CHECK(ms_predictor_init(&p, 1, D) == 0);
    for (int page = 0; page < 2; page++) {
        for (int k = 0; k < D * N; k++) {
            x[k] = 1000.0 * page + k;
        }
        ms_predictor_forget_rows(&p);
        for (int k = 0; k < 11; k++) {
            const int64_t i = asked[k];
            const double *row = ms_predictor_row(&p, i, x + i, N, N - i);
            for (int j = 0; j < D; j++) {
                CHECK(row[j] == x[j * N + i]);
            }
        }
    }
    ms_predictor_free(&p);
}

/* In the scale of its features decay pulls at the weights of standardized features, w / scale, and at the bias that belongs
 * to them, at their means; 2 and 4 have mean 3 and a deviation of 1. */
static void decay_in_scale_is_that_of_standardized_features(void)
{
    const double unknown[] = {NAN}, half[] = {0.5};
    ms_predictor p;
    CHECK(ms_predictor_init(&p, 1, 3) == 0);
    p.standardizes = 1, p.learning_rate = 0.25, p.weight_decay = 0.125;
    p.weights[0] = 0.5, p.weights[1] = -0.25, p.weights[2] = 1.0, p.bias[0] = 0.0625;
    for (int i = 0; i < 40; i++) {
        const double x[] = {i % 2 == 0 ? 2.0 : 4.0, i % 4 < 2 ? -1.0 : 7.0, 2.5}; /* the third never moves */
        ms_predictor_learn(&p, x, unknown);
    }
    const double x[] = {4.0, 7.0, 2.5}, logit = 0.5 * 4.0 - 0.25 * 7.0 + 2.5 + 0.0625, g = ms_sigmoid(logit) - 0.5;
    ms_predictor_learn(&p, x, half);
    const double *inverse = p.scaler.inverse, *mean = p.scaler.mean, *z = p.scaler.standard;
    const double centred = 0.0625 + 0.5 * mean[0] - 0.25 * mean[1] + mean[2];
    const double weights[] = {0.5, -0.25};
    double bias = 0.0625 - 0.25 * (g + 0.125 * centred), moved = 0.25 * (g + 0.125 * centred);
    for (int j = 0; j < 2; j++) {
        const double move = 0.25 * (g * z[j] + 0.125 * weights[j] / inverse[j]);
        CHECK_NEAR(p.weights[j], weights[j] - move * inverse[j], 1e-12);
        bias += move * inverse[j] * mean[j];
        moved += move * z[j];
    }
    CHECK(fabs(moved) < 2.0 * fabs(g)); /* which is not cut */
    CHECK(p.weights[2] == 1.0 && p.velocity[2] == 0.0);
    CHECK_NEAR(p.bias[0], bias, 1e-12);
    CHECK(fabs(mean[0] - 3.0) < 0.2 && fabs(mean[1] - 3.0) < 0.5 && inverse[0] > 3.0 * inverse[1]);
    ms_predictor_free(&p);
}

/* AdaGrad without a gradient stays where it is; and does for a feature that is 0, while others move. */
static void adagrad_stays_without_a_gradient(void)
{
    ms_predictor p;
    CHECK(ms_predictor_init(&p, 1, 2) == 0);
    p.optimizer = MS_ADAGRAD, p.learning_rate = 0.5;
    const double x[] = {0.0, 2.0}, half[] = {0.5}, right[] = {1.0};
    ms_predictor_learn(&p, x, half); /* a score of a half is right */
    CHECK(p.weights[0] == 0.0 && p.weights[1] == 0.0 && p.bias[0] == 0.0 && p.velocity[1] == 0.0);
    ms_predictor_learn(&p, x, right);
    CHECK(p.weights[0] == 0.0 && p.weights[1] == 0.5 && p.bias[0] == 0.5); /* g / sqrt(g^2) */
    CHECK(p.velocity[0] == 0.0 && p.velocity[1] == 1.0 && p.velocity[2] == 0.25);
    ms_predictor_free(&p);
}

/* Two predictors of the same lessons, each of one label: to one its model is named, the other seeks it. */
static void a_label_alone_teaches_as_one_among_many(void)
{
    enum { MODELS = 5, FEATURES = 7, LESSONS = 60 };
    lcg chance = {11};
    for (int kind = 0; kind < 8; kind++) {
        ms_predictor named, sought, *both[] = {&named, &sought};
        for (int k = 0; k < 2; k++) {
            CHECK(ms_predictor_init(both[k], MODELS, FEATURES) == 0);
            both[k]->optimizer = kind & 1 ? MS_ADAGRAD : MS_SGD;
            both[k]->standardizes = kind >> 1 & 1;
            both[k]->learning_rate = 0.25, both[k]->clip = kind & 4 ? 0.5 : 0.0;
            both[k]->momentum = kind & 1 ? 0.0 : 0.5, both[k]->weight_decay = 1e-2;
        }
        for (int lesson = 0; lesson < LESSONS; lesson++) {
            double x[FEATURES], labels[MODELS], scores[MODELS];
            const int32_t only = (int32_t)(lcg_next(&chance) % MODELS);
            for (int j = 0; j < FEATURES; j++) {
                x[j] = 4.0 * lcg_unit(&chance) - 2.0;
            }
            for (int m = 0; m < MODELS; m++) {
                labels[m] = m == only ? lcg_unit(&chance) : NAN;
            }
            ms_predictor_score(&named, x, 1, 1, scores, 1);
            const double *made = lesson % 3 == 0 ? NULL : scores;
            ms_predictor_learn_one(&named, x, only, labels[only], made);
            ms_predictor_learn_scored(&sought, x, labels, made);
            CHECK(named.version == lesson + 1 && named.version == sought.version);
            for (int m = 0; m < MODELS; m++) {
                CHECK(same_bits(named.bias[m], sought.bias[m]));
                for (int j = 0; j < FEATURES; j++) {
                    CHECK(same_bits(named.weights[m * FEATURES + j], sought.weights[m * FEATURES + j]));
                }
            }
        }
        ms_predictor_free(&named);
        CHECK(named.weights == NULL && named.rows == NULL);
        ms_predictor_free(&sought);
    }
}

static void scores_in_two_steps_are_those_in_one(void)
{
    enum { MOST = 9, FEATURES = 6 };
    lcg chance = {13};
    for (int32_t models = 1; models <= MOST; models++) {
        ms_predictor p = made(&chance, models, FEATURES);
        double row[FEATURES], logits[2 * MOST], scores[2 * MOST], alone[2 * MOST];
        const int32_t heads = ms_predictor_heads(models);
        CHECK(heads >= models && heads < models + MS_TILE && heads % MS_TILE == 0);
        fill(&chance, row, FEATURES);
        logits[heads] = scores[heads] = 7.0;
        ms_predictor_logits_row(&p, row, logits);
        ms_predictor_scores_of(models, logits, scores);
        ms_predictor_score_row(&p, row, alone);
        CHECK(memcmp(scores, alone, (size_t)models * sizeof(double)) == 0);
        CHECK(logits[heads] == 7.0 && scores[heads] == 7.0);
        for (int32_t m = 0; m < models; m++) {
            double sum = 0.0;
            for (int j = 0; j < FEATURES; j++) {
                sum += p.weights[m * FEATURES + j] * row[j];
            }
            CHECK(same_bits(logits[m], sum + p.bias[m]));
        }
        ms_predictor_free(&p);
    }
}

int main(void)
{
    RUN(scores_in_two_steps_are_those_in_one);
    RUN(a_label_alone_teaches_as_one_among_many);
    RUN(all_starts_at_a_half);
    RUN(blocks_give_the_bits_of_the_plain_sum);
    RUN(no_features_need_no_array);
    RUN(a_step_goes_down_the_gradient);
    RUN(a_missing_label_takes_no_part);
    RUN(momentum_and_decay_are_pytorchs);
    RUN(adagrad_leaves_what_it_has_seen_nothing_of);
    RUN(a_step_in_scale_is_one_of_standardized_features);
    RUN(each_parameter_has_a_memory_of_its_own);
    RUN(a_long_gradient_is_clipped);
    RUN(too_large_a_predictor_is_refused);
    RUN(every_build_gives_the_same_bits);
    RUN(a_row_is_of_the_request_asked_for);
    RUN(rows_of_neighbours_are_their_own);
    RUN(decay_in_scale_is_that_of_standardized_features);
    RUN(adagrad_stays_without_a_gradient);
    return report();
}
