#include "instances.h"

#include "check.h"

enum { MODELS = 2, FEATURES = 3, N = 3 };

static const double alphas[] = {0.75, 0.5};

static int64_t first_model(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                           double alpha, double queue, const double *scores, const double *costs, const double *loads,
                           const double *facts, const double *features, const double *uniforms, const double *params,
                           double *state)
{
    (void)request, (void)step, (void)tenant, (void)models, (void)dimensions, (void)alpha, (void)queue, (void)scores;
    (void)costs, (void)loads, (void)facts, (void)features, (void)uniforms, (void)params, (void)state;
    return 0;
}

static void make(ms_instances *instances, int32_t count, ms_predictor *predictors)
{
    CHECK(ms_instances_init(instances, count, MODELS, 2, 0, alphas, 1.0, 0) == 0);
    for (int32_t i = 0; i < count; i++) {
        instances->brain[i].policy = (ms_policy){.decide = first_model};
        if (predictors != NULL) {
            CHECK(ms_predictor_init(&predictors[i], MODELS, FEATURES) == 0);
            instances->brain[i].predictor = &predictors[i];
        }
    }
}

/* Ratings of 0 move a queue by alpha, one of 1 by alpha - 1: in quarters, all sums are exact. */
static void rate(ms_instances *instances, int32_t instance, int32_t tenant, int bad, int good)
{
    for (int i = 0; i < bad + good; i++) {
        ms_brain_rate(&instances->brain[instance], i, 0, tenant, i < bad ? 0.0 : 1.0);
    }
}

static void every_queue_starts_where_it_should(void)
{
    ms_instances instances;
    make(&instances, N, NULL);
    ms_instances_start(&instances, 2.0);
    for (int32_t k = 0; k < 2; k++) {
        CHECK(instances.delivered[k].queue == 2.0 && instances.delivered[k].initial == 2.0);
        for (int32_t i = 0; i < N; i++) {
            CHECK(instances.brain[i].tracked[k].queue == 2.0 && instances.brain[i].tracked[k].plain == 2.0);
        }
    }
    rate(&instances, 0, 0, 4, 0); /* 2 + 3 */
    rate(&instances, 1, 1, 0, 8); /* 2 - 8 / 2, so 0 */
    const ms_ledger total = ms_instances_tracked(&instances, 0);
    CHECK(total.queue == 9.0 && total.initial == 6.0 && ms_ledger_certificate(&total) == 0.0);
    CHECK(ms_instances_certificate(&instances) == (4.0 * 0.75 - (9.0 - 6.0) + 8.0 * 0.5 - (4.0 - 6.0)) / 12.0);
    ms_instances_reconcile(&instances);
    CHECK(instances.brain[2].tracked[0].queue == 3.0 && instances.brain[2].tracked[0].initial == 2.0);
    CHECK(ms_instances_certificate(&instances) == 0.5);
    ms_instances_free(&instances);
}

static void every_brain_is_of_the_size_that_is_asked_for(void)
{
    enum { TOLD = 5 };
    ms_instances instances;
    CHECK(ms_instances_init(&instances, N, MODELS, 2, TOLD, alphas, 0.5, 0) == 0);
    for (int32_t i = 0; i < N; i++) {
        const ms_brain *brain = &instances.brain[i];
        CHECK(brain->models == MODELS && brain->tenants == 2 && brain->dimensions == TOLD);
        for (int32_t k = 0; k < 2; k++) {
            CHECK(brain->tracked[k].alpha == alphas[k] && brain->tracked[k].discount == 0.5);
            CHECK(instances.tracked[k * N + i] == &brain->tracked[k]);
        }
    }
    ms_instances_free(&instances);
}

static void queues_become_their_mean_tenant_by_tenant(void)
{
    ms_instances instances;
    make(&instances, N, NULL);
    rate(&instances, 0, 0, 4, 0); /* 3 */
    rate(&instances, 1, 0, 8, 0); /* 6 */
    rate(&instances, 2, 0, 2, 6); /* 1.5, then 0: 6 good answers take 0.25 each */
    rate(&instances, 1, 1, 6, 0); /* 3 */
    for (int32_t i = 0; i < N; i++) {
        CHECK(instances.brain[i].tracked[0].queue == (i == 2 ? 0.0 : 3.0 + 3.0 * i));
    }
    const ms_ledger before = ms_instances_tracked(&instances, 0);
    CHECK(before.queue == 9.0 && before.rated == 20 && before.satisfied == 6.0 && before.promised == 15.0);
    CHECK(ms_ledger_certificate(&before) == (15.0 - 9.0) / 20.0);
    ms_instances_reconcile(&instances);
    for (int32_t i = 0; i < N; i++) {
        const ms_ledger *own = instances.brain[i].tracked;
        CHECK(own[0].queue == 3.0 && own[0].plain == 3.0 && own[1].queue == 1.0 && own[1].plain == 1.0);
        CHECK(own[0].rated == (i == 0 ? 4 : 8)); /* what was rated stays where it was */
        CHECK(own[0].plain_max == (i == 1 ? 6.0 : 3.0));
    }
    const ms_ledger after = ms_instances_tracked(&instances, 0);
    CHECK(after.queue == before.queue && after.rated == before.rated && after.satisfied == before.satisfied);
    CHECK(instances.reconciliations == 1);
    CHECK(ms_instances_certificate(&instances) == (15.0 - 9.0 + 3.0 - 3.0) / 26.0);
    CHECK(instances.delivered[0].rated == 0); /* which only the simulator moves */
    ms_instances_free(&instances);
    CHECK(instances.brain == NULL);
}

/* The instance whose users got nothing gives most of its queue away: alone it claims more than it has. */
static void the_certificate_is_that_of_the_total(void)
{
    ms_instances instances;
    make(&instances, N, NULL);
    CHECK(isnan(ms_instances_certificate(&instances)));
    rate(&instances, 0, 0, 4, 0);
    ms_instances_reconcile(&instances);
    const ms_ledger total = ms_instances_tracked(&instances, 0);
    CHECK(ms_ledger_holds(&total));
    CHECK(!ms_ledger_holds(&instances.brain[0].tracked[0]));
    ms_instances_free(&instances);
}

/* With ratings that are no quarters every mean is rounded, and the total must hold all the same. */
static void rounding_does_not_break_it(void)
{
    ms_instances instances;
    make(&instances, 7 * N, NULL);
    lcg chance = {5};
    for (int round = 0; round < 3000; round++) {
        for (int i = 0; i < 3; i++) {
            ms_brain *brain = &instances.brain[lcg_between(&chance, 0, 7 * N - 1)];
            ms_brain_rate(brain, i, 0, (int32_t)lcg_between(&chance, 0, 1), 0.6 * lcg_unit(&chance));
        }
        ms_instances_reconcile(&instances);
        for (int32_t k = 0; k < 2; k++) {
            const ms_ledger total = ms_instances_tracked(&instances, k);
            CHECK(ms_ledger_holds(&total));
        }
    }
    ms_ledger total = ms_instances_tracked(&instances, 0);
    total.plain -= 1e-6; /* and a millionth of an answer would be seen */
    total.satisfied = total.promised - total.plain - 1e-5;
    CHECK(!ms_ledger_holds(&total));
    ms_instances_free(&instances);
}

static void predictors_become_their_mean(void)
{
    ms_instances instances;
    ms_predictor own[N];
    make(&instances, N, own);
    for (int32_t i = 0; i < N; i++) {
        for (int32_t j = 0; j < MODELS * FEATURES; j++) {
            own[i].weights[j] = (double)(i * i + j); /* of i * i the mean is 5/3 */
        }
        for (int32_t j = 0; j < MODELS * (FEATURES + 1); j++) {
            own[i].velocity[j] = (double)(3 * i - j);
        }
        own[i].bias[0] = (double)i;
        own[i].bias[1] = -1.0;
        own[i].version = 10 + i;
    }
    ms_instances_reconcile(&instances);
    for (int32_t i = 0; i < N; i++) {
        for (int32_t j = 0; j < MODELS * FEATURES; j++) {
            CHECK(own[i].weights[j] == (5.0 + 3.0 * j) / 3.0);
        }
        for (int32_t j = 0; j < MODELS * (FEATURES + 1); j++) {
            CHECK(own[i].velocity[j] == 3.0 - j);
        }
        CHECK(own[i].bias[0] == 1.0 && own[i].bias[1] == -1.0);
        CHECK(own[i].version == 10 + i); /* nobody took a step */
    }
    for (int32_t i = 0; i < N; i++) {
        ms_predictor_free(&own[i]);
    }
    ms_instances_free(&instances);
}

/* Whether they are scored in blocks (few instances) or one by one (many): what was scored before a reconciliation is
 * scored again after it. */
static void scores_follow_a_reconciliation(void)
{
    static const double x[FEATURES * 4] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    double costs[MODELS * 4] = {0};
    const ms_page_view page = {.n = 4, .features = x, .known_costs = costs, .uniforms = x};
    for (int32_t count = 2; count <= 20; count += 18) {
        ms_instances instances;
        ms_predictor own[20];
        make(&instances, count, own);
        ms_instances_turn_page(&instances);
        own[0].weights[0] = 0.5;
        const double loads[MODELS] = {0};
        for (int64_t i = 0; i < 4; i++) {
            ms_brain *brain = &instances.brain[0];
            ms_brain_decide(brain, &page, i, i, 0, loads);
            const double weight = i < 2 ? 0.5 : 0.5 / count;
            CHECK(same_bits(own[0].weights[0], weight));
            double alone[MODELS];
            ms_predictor_score(&own[0], x + i, 4, 1, alone, 1);
            CHECK(same_bits(brain->scores[0], alone[0]) && alone[0] > 0.5);
            if (i == 1) {
                ms_instances_reconcile(&instances);
            }
        }
        for (int32_t i = 0; i < count; i++) {
            ms_predictor_free(&own[i]);
        }
        ms_instances_free(&instances);
    }
}

/* Ratings of all tenants at all instances, and steps of all predictors: whatever grows, the sum does. */
static void all_that_is_learnt_is_counted(void)
{
    ms_instances instances;
    ms_predictor own[N];
    make(&instances, N, own);
    int64_t learnt = 0;
    CHECK(ms_instances_learnt(&instances) == 0);
    for (int32_t i = 0; i < N; i++) {
        for (int32_t k = 0; k < 2; k++) {
            rate(&instances, i, k, 1, 1);
            learnt += 2;
            CHECK(ms_instances_learnt(&instances) == learnt);
        }
        own[i].version += 3;
        learnt += 3;
        CHECK(ms_instances_learnt(&instances) == learnt);
    }
    for (int32_t i = 0; i < N; i++) {
        ms_predictor_free(&own[i]);
    }
    ms_instances_free(&instances);
}

int main(void)
{
    RUN(every_queue_starts_where_it_should);
    RUN(every_brain_is_of_the_size_that_is_asked_for);
    RUN(queues_become_their_mean_tenant_by_tenant);
    RUN(the_certificate_is_that_of_the_total);
    RUN(rounding_does_not_break_it);
    RUN(predictors_become_their_mean);
    RUN(scores_follow_a_reconciliation);
    RUN(all_that_is_learnt_is_counted);
    return report();
}
