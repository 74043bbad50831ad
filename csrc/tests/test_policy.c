#include "policy.h"

#include "check.h"

static const double scores[] = {0.5, 0.75, 0.875, 0.9375};
static const double costs[] = {1.0, 2.0, 4.0, 8.0};
static const double loads[] = {0.0, 0.0, 0.0, 0.0};

enum { MODELS = 4 };

static int64_t mess(int64_t step, double alpha, double queue, const double *uniforms, const double *params,
                    double *state)
{
    return ms_policy_mess_decide(0, step, 0, MODELS, 0, alpha, queue, scores, costs, loads, NULL, NULL, uniforms,
                                 params, state);
}

static void argmin_weighs_cost_against_the_queue(void)
{
    /* V E + Q (alpha - s): 1 2 4 8 without a queue; + 16 (0.75 - s) = 5 2 2 5 with one */
    CHECK(ms_policy_argmin(MODELS, 1.0, 0.75, 0.0, scores, costs) == 0);
    CHECK(ms_policy_argmin(MODELS, 1.0, 0.75, 16.0, scores, costs) == 1);
    CHECK(ms_policy_argmin(MODELS, 1.0, 0.75, 17.0, scores, costs) == 2);
    CHECK(ms_policy_argmin(MODELS, 1.0, 0.75, 1000.0, scores, costs) == 3);
    CHECK(ms_policy_argmin(MODELS, 0.0, 0.75, 1.0, scores, costs) == 3);
    CHECK(ms_policy_argmin(1, 1.0, 0.75, 16.0, scores, costs) == 0);
}

static void ties_go_to_the_lowest_model(void)
{
    const double same[] = {3.0, 1.0, 1.0, 1.0};
    CHECK(ms_policy_argmin(MODELS, 1.0, 0.5, 2.0, loads, same) == 1);
    CHECK(ms_policy_argmin(MODELS, 0.0, 0.5, 0.0, scores, costs) == 0);
}

static void a_block_decides_as_one(void)
{
    enum { N = 200, M = 17, STRIDE = 211 };
    static double s[M * STRIDE], e[M * STRIDE];
    lcg chance = {11};
    for (int i = 0; i < M * STRIDE; i++) {
        s[i] = (double)lcg_between(&chance, 0, 4) / 4.0; /* coarse: ties abound */
        e[i] = (double)lcg_between(&chance, 0, 4);
    }
    for (int64_t models = 1; models <= M; models++) {
        for (int64_t n = 0; n <= N; n += 1 + n / 3) {
            int32_t chosen[N + 1];
            chosen[n] = -7;
            ms_policy_argmin_block(models, n, STRIDE, 1.0, 0.5, 4.0, s, e, chosen);
            for (int64_t i = 0; i < n; i++) {
                double column_s[M], column_e[M];
                for (int64_t m = 0; m < models; m++) {
                    column_s[m] = s[m * STRIDE + i];
                    column_e[m] = e[m * STRIDE + i];
                }
                CHECK(chosen[i] == ms_policy_argmin(models, 1.0, 0.5, 4.0, column_s, column_e));
            }
            CHECK(chosen[n] == -7);
        }
    }
}

static void mess_explores_with_its_probability(void)
{
    const double params[MS_MESS_PARAMS] = {1.0, 0.5, 0.25, MS_EXPLORE_ALL, 0.0, 0.0};
    double state[MS_MESS_STATE] = {1.0};
    const double below[] = {0.25 - 1e-12, 0.5}, above[] = {0.25, 0.5};
    CHECK(mess(16, 0.75, 0.0, below, params, state) == MS_PLAN_ALL); /* 0.5 / 16^0.25 = 0.25 */
    CHECK(mess(16, 0.75, 0.0, above, params, state) == 0);
    CHECK(mess(1, 0.75, 0.0, above, params, state) == MS_PLAN_ALL);
    CHECK(mess(1, 0.75, 1000.0, (const double[]){0.5, 0.5}, params, state) == 3);
}

static void mess_may_explore_one_model(void)
{
    const double params[MS_MESS_PARAMS] = {1.0, 1.0, 0.0, MS_EXPLORE_CHOSEN, 0.0, 0.0};
    double state[MS_MESS_STATE] = {1.0};
    for (int m = 0; m < MODELS; m++) {
        const double u[] = {0.5, (m + 0.5) / MODELS};
        CHECK(mess(9, 0.75, 0.0, u, params, state) == (MS_PLAN_EXPLORE | m));
    }
}

/* Neither at the largest u of a draw, nor at a 1 that no draw gives. */
static void a_choice_never_names_a_model_too_many(void)
{
    static const double free_of_cost[3000];
    const double largest[] = {0.5, 1.0 - 0x1p-53}, one[] = {0.5, 1.0};
    for (int64_t models = 1; models < 3000; models++) {
        CHECK(ms_policy_random(0, 1, 0, models, 0, 0.0, 0.0, NULL, free_of_cost, NULL, NULL, NULL, largest, NULL, NULL) == models - 1);
        CHECK(ms_policy_random(0, 1, 0, models, 0, 0.0, 0.0, NULL, free_of_cost, NULL, NULL, NULL, one, NULL, NULL) == models - 1);
    }
}

static void mess_reads_v_from_its_state(void)
{
    const double params[MS_MESS_PARAMS] = {1.0, 0.0, 0.25, MS_EXPLORE_ALL, 0.0, 0.0};
    double state[MS_MESS_STATE] = {1e-6};
    CHECK(mess(9, 0.75, 1.0, (const double[]){0.5, 0.5}, params, state) == 3);
}

static void the_target_queue_steers_v(void)
{
    const double params[MS_MESS_PARAMS] = {1.0, 0.0, 0.25, MS_EXPLORE_ALL, 8.0, 0.125};
    double state[MS_MESS_STATE] = {2.0};
    CHECK(ms_policy_mess_rated(0, 0, 0, 0.5, 1.0, 8.0, params, state) == 0 && state[0] == 2.0);
    CHECK(ms_policy_mess_rated(0, 0, 0, 0.5, 1.0, 4.0, params, state) == 0 && state[0] == 2.0 * (1.0 + 0.125 * 0.5));
    state[0] = 2.0;
    CHECK(ms_policy_mess_rated(0, 0, 0, 0.5, 1.0, 1e9, params, state) == 0 && state[0] == 2.0 * (1.0 - 0.125));
    const double below_one[MS_MESS_PARAMS] = {1.0, 0.0, 0.25, MS_EXPLORE_ALL, 0.5, 0.125};
    double of_two[MS_MESS_STATE + 1] = {2.0, 2.0}; /* tenants */
    CHECK(ms_policy_mess_rated(0, 1, 0, 0.5, 1.0, 0.25, below_one, of_two) == 0);
    CHECK(of_two[0] == 2.0 && of_two[1] == 2.0 * (1.0 + 0.125 * 0.5));
    const double off[MS_MESS_PARAMS] = {1.0, 0.0, 0.25, MS_EXPLORE_ALL, 0.0, 0.125};
    state[0] = 2.0;
    CHECK(ms_policy_mess_rated(0, 0, 0, 0.5, 1.0, 4.0, off, state) == 0 && state[0] == 2.0);
}

static void a_queue_that_never_comes_to_its_target_lets_v_come_back(void)
{
    const double params[MS_MESS_PARAMS] = {1.0, 0.0, 0.25, MS_EXPLORE_ALL, 8.0, 0.5};
    double state[MS_MESS_STATE] = {1.0};
    for (int64_t i = 0; i < 10000; i++) {
        CHECK(ms_policy_mess_rated(i, 0, 0, 0.5, 1.0, 0.0, params, state) == 0);
    }
    CHECK(state[0] == 1e15);
    CHECK(ms_policy_mess_rated(0, 0, 0, 0.5, 1.0, 16.0, params, state) == 0 && state[0] == 0.5e15);
    for (int64_t i = 0; i < 10000; i++) {
        CHECK(ms_policy_mess_rated(i, 0, 0, 0.5, 1.0, 1e9, params, state) == 0);
    }
    CHECK(state[0] == 1e-15);
    CHECK(ms_policy_mess_rated(0, 0, 0, 0.5, 1.0, 0.0, params, state) == 0 && state[0] == 1e-15 * 1.5);
}

static void each_queue_steers_a_v_of_its_own(void)
{
    const double params[MS_MESS_PARAMS] = {1.0, 0.0, 0.25, MS_EXPLORE_ALL, 8.0, 0.125};
    double state[] = {2.0, 2.0};
    CHECK(ms_policy_mess_rated(0, 1, 0, 0.5, 1.0, 4.0, params, state) == 0);
    CHECK(state[0] == 2.0 && state[1] == 2.0 * (1.0 + 0.125 * 0.5));
    /* V E + Q (alpha - s): 16 (0.75 - s) with V = 1 is 5 2 2 5; V = 0 asks for quality alone */
    const double u[] = {0.5, 0.5};
    state[0] = 1.0, state[1] = 0.0;
    for (int64_t tenant = 0; tenant < 2; tenant++) {
        CHECK(ms_policy_mess_decide(0, 1, tenant, MODELS, 0, 0.75, 16.0, scores, costs, loads, NULL, NULL, u, params,
                                    state) == (tenant == 0 ? 1 : 3));
    }
    const double off[MS_MESS_PARAMS] = {1.0, 0.0, 0.25, MS_EXPLORE_ALL, 0.0, 0.125};
    CHECK(ms_policy_mess_decide(0, 1, 1, MODELS, 0, 0.75, 16.0, scores, costs, loads, NULL, NULL, u, off, state) == 1);
}

static void the_plain_policies_are_plain(void)
{
    const double u[] = {0.001, 0.6};
    const double dear_first[] = {9.0, 2.0, 2.0, 8.0};
    CHECK(ms_policy_random(0, 1, 0, MODELS, 0, 0.5, 3.0, scores, costs, loads, NULL, NULL, u, NULL, NULL) == 2);
    CHECK(ms_policy_cheapest(0, 1, 0, MODELS, 0, 0.5, 3.0, scores, dear_first, loads, NULL, NULL, u, NULL, NULL) == 1);
    CHECK(ms_policy_largest(0, 1, 0, MODELS, 0, 0.5, 3.0, scores, dear_first, loads, NULL, NULL, u, NULL, NULL) == 3);
}

/* Of five models 0, 3 and 4 cannot be had: what is left is chosen with equal probability. */
static void nobody_chooses_what_cannot_be_had(void)
{
    const double gone[] = {INFINITY, 2.0, 1.0, INFINITY, INFINITY}, even[5] = {0};
    const double params[MS_MESS_PARAMS] = {1.0, 1.0, 0.0, MS_EXPLORE_CHOSEN, 0.0, 0.0};
    double state[MS_MESS_STATE] = {1.0};
    for (int k = 0; k < 10; k++) {
        const double u[] = {0.5, (k + 0.5) / 10.0};
        const int64_t expected = k < 5 ? 1 : 2;
        CHECK(ms_policy_random(0, 1, 0, 5, 0, 0.5, 3.0, even, gone, even, NULL, NULL, u, NULL, NULL) == expected);
        CHECK(ms_policy_mess_decide(0, 1, 0, 5, 0, 0.5, 3.0, even, gone, even, NULL, NULL, u, params, state) ==
              (MS_PLAN_EXPLORE | expected));
        CHECK(ms_policy_cheapest(0, 1, 0, 5, 0, 0.5, 3.0, even, gone, even, NULL, NULL, u, NULL, NULL) == 2);
    }
}

/* Two tenants: the first mixes models 2 and 0 at 0.25 and 0.75, the second has model 1 alone. */
static void a_mix_draws_by_its_tenants_probabilities(void)
{
    enum { THREE = 3 };
    const double params[] = {2.0, 0.0, 0.0, 0.25, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0};
    const double u[] = {0.0, 0.24, 0.25, 0.99, 1.0};
    const int64_t first[] = {2, 2, 0, 0, 0};
    for (int i = 0; i < 5; i++) {
        const double uniforms[] = {0.5, u[i]};
        CHECK(ms_policy_mix(0, 1, 0, THREE, 0, 0.5, 0.0, NULL, NULL, NULL, NULL, NULL, uniforms, params, NULL) == first[i]);
        CHECK(ms_policy_mix(0, 1, 1, THREE, 0, 0.5, 0.0, NULL, NULL, NULL, NULL, NULL, uniforms, params, NULL) == 1);
    }
}

int main(void)
{
    RUN(a_mix_draws_by_its_tenants_probabilities);
    RUN(argmin_weighs_cost_against_the_queue);
    RUN(ties_go_to_the_lowest_model);
    RUN(a_block_decides_as_one);
    RUN(mess_explores_with_its_probability);
    RUN(mess_may_explore_one_model);
    RUN(a_choice_never_names_a_model_too_many);
    RUN(a_queue_that_never_comes_to_its_target_lets_v_come_back);
    RUN(each_queue_steers_a_v_of_its_own);
    RUN(nobody_chooses_what_cannot_be_had);
    RUN(mess_reads_v_from_its_state);
    RUN(the_target_queue_steers_v);
    RUN(the_plain_policies_are_plain);
    return report();
}
