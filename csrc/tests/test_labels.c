#include "loops.h"

#include "labels.h"
#include "error.h"

/* The router's queue moves by what raters say, the promise by what is true; lessons hold what raters say. */
static void raters_may_err(void)
{
    static double heard[MODELS * REQUESTS_MOST];
    for (int late = 0; late < 2; late++) {
        ms_run loop;
        ms_ledger noisy, truth;
        ms_predictor predictor, expected;
        ms_run_config config = plain;
        config.raters_err = 1;
        config.keeps_delays = late;
        config.learns_every_answer = 1;
        config.feedback_probability = 1.0;
        fill(&sheets[0], 0, 200, 1.0);
        plans_are(0, 1, MS_PLAN_ALL, 1);
        for (int64_t i = 0; i < 200; i++) {
            sheets[0].tenant[i] = 0;
            for (int m = 0; m < MODELS; m++) {
                sheets[0].delay[m * 200 + i] = 0.25;
                heard[m * 200 + i] = i % 3 == m ? 1.0 - sheets[0].satisfied_in[m * 200 + i]
                    : sheets[0].satisfied_in[m * 200 + i];
            }
        }
        sheets[0].page.labels = heard;
        sheets[0].page.delay_s = late ? sheets[0].delay : NULL;
        make(&loop, &config, 0, MS_LEAST_LOADED);
        CHECK(ms_predictor_init(&predictor, MODELS, FEATURES) == 0 && ms_predictor_init(&expected, MODELS, FEATURES) == 0);
        CHECK(ms_ledger_init(&noisy, alphas[0], 1.0, 0) == 0 && ms_ledger_init(&truth, alphas[0], 1.0, 0) == 0);
        predictor.learning_rate = expected.learning_rate = 0.2;
        loop.instances.brain[0].predictor = &predictor;
        go(&loop, 1);
        const sheet *s = &sheets[0];
        for (int64_t i = 0; i < 200; i++) {
            double labels[MODELS] = {NAN, NAN};
            const double x[] = {s->features[i], s->features[200 + i], s->features[400 + i], s->features[600 + i]};
            CHECK(same_bits(s->queue[i], noisy.queue));
            ms_ledger_rate(&noisy, heard[s->model[i] * 200 + i]);
            ms_ledger_rate(&truth, s->satisfied_in[s->model[i] * 200 + i]);
            CHECK(s->satisfied[i] == s->satisfied_in[s->model[i] * 200 + i]); /* the record has the truth */
            for (int m = 0; m < MODELS; m++) {
                labels[m] = i % 4 == 2 || m == s->model[i] ? heard[m * 200 + i] : NAN;
            }
            ms_predictor_learn(&expected, x, labels);
        }
        CHECK(same_bits(loop.instances.brain[0].tracked[0].queue, noisy.queue) && noisy.queue != truth.queue);
        CHECK(same_bits(loop.instances.delivered[0].queue, truth.queue));
        CHECK(memcmp(predictor.weights, expected.weights, 4 * sizeof(double)) == 0);
        ms_run_free(&loop);
        ms_predictor_free(&predictor);
        ms_predictor_free(&expected);
    }
}

static void a_late_label_moves_the_queue_late(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.keeps_delays = 1;
    config.feedback_probability = 1.0;
    fill(&sheets[0], 0, 100, 1.0);
    plans_are(0, 1, 0, 1);
    make(&loop, &config, 0, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    const sheet *s = &sheets[0];
    CHECK(check_records(s, MS_COMPLETED) == 100);
    for (int64_t i = 0; i < 100; i++) {
        CHECK(s->feedback_s[i] == s->finish[i] + s->delay[s->model[i] * 100 + i]);
        int known = 0;
        for (int64_t j = 0; j < i; j++) {
            known += s->tenant[j] == s->tenant[i] && s->feedback_s[j] <= s->arrival[i];
        }
        CHECK(known > 0 || s->queue[i] == 0.0);
    }
    CHECK(loop.now_s > 99.0 && loop.last_arrival_s == 99.0); /* it waits for the last label */
    ms_run_free(&loop);
}

static double labels_of[MODELS];

static int64_t keep_labels(int64_t request, int64_t tenant, int64_t models, int64_t dimensions, const double *given,
                           const double *labels, const double *params_, double *state)
{
    (void)request, (void)tenant, (void)dimensions, (void)given, (void)params_, (void)state;
    memcpy(labels_of, labels, (size_t)models * sizeof *labels);
    return 0;
}

/* A model that cannot take the prompt gets no copy of an exploring step, and nobody is told how it answered. */
static void nobody_rates_an_answer_of_a_model_that_is_not_asked(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 1, 1.0);
    sheets[0].known[0] = INFINITY;
    sheets[0].feedback[0] = 0.0;
    plans_are(MS_PLAN_ALL, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.learn = keep_labels;
    CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    CHECK(sheets[0].status[0] == MS_COMPLETED && sheets[0].model[0] == 1);
    CHECK(isnan(labels_of[0]) && labels_of[1] == sheets[0].satisfied_in[1]);
    ms_run_free(&loop);
}

static int64_t lessons;

static int64_t count_lessons(int64_t request, int64_t tenant, int64_t models, int64_t dimensions, const double *given,
                             const double *labels, const double *params_, double *state)
{
    lessons++;
    return keep_labels(request, tenant, models, dimensions, given, labels, params_, state);
}

/* The first model is asked and the second cannot be, or the other way round: one label comes, and the lesson is over
 * with it, once. */
static void a_lesson_waits_for_those_that_are_asked(void)
{
    for (int out = 0; out < MODELS; out++) {
        for (int late = 0; late < 2; late++) {
            ms_run loop;
            ms_run_config config = plain;
            config.keeps_delays = late;
            config.learns_every_answer = 1;
            config.feedback_probability = 1.0;
            fill(&sheets[0], 0, 1, 1.0);
            sheets[0].known[out] = INFINITY;
            plans_are(MS_PLAN_ALL, 0, 0, 0);
            make(&loop, &config, 1, MS_LEAST_LOADED);
            loop.instances.brain[0].policy.learn = count_lessons;
            lessons = 0;
            begin(&loop);
            end(&loop);
            CHECK(lessons == 1 && sheets[0].model[0] == 1 - out);
            CHECK(isnan(labels_of[out]) && labels_of[1 - out] == sheets[0].satisfied_in[1 - out]);
            ms_run_free(&loop);
        }
    }
}

/* A chain is rated at its end, at once where labels are not late. */
static void a_chain_is_rated_as_it_ends(void)
{
    for (int late = 0; late < 2; late++) {
        ms_run loop;
        ms_run_config config = plain;
        config.keeps_delays = late;
        config.feedback_probability = 1.0;
        fill(&sheets[0], 0, 4, 50.0);
        plans_are(MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0);
        make(&loop, &config, 1, MS_LEAST_LOADED);
        begin(&loop);
        end(&loop);
        const sheet *s = &sheets[0];
        for (int64_t i = 0; i < 4; i++) {
            CHECK(s->feedback_s[i] == s->finish[i] + (late ? s->delay[s->model[i] * 4 + i] : 0.0));
        }
        ms_run_free(&loop);
    }
}

/* Also the last label of a request whose record stands already, with a lesson that is never over. */
static void a_policy_may_refuse_a_label(void)
{
    for (int c = 0; c < 32; c++) {
        ms_run loop;
        ms_run_config config = plain;
        config.keeps_delays = c % 2;
        config.feedback_probability = 1.0;
        config.learns_every_answer = 1;
        fill(&sheets[0], 0, 40, 1.0);
        sheets[0].page.delay_s = config.keeps_delays ? sheets[0].delay : NULL;
        plans_are(0, c / 2 % 2 ? MS_PLAN_ALL : 1, 1, c / 8 % 2 ? MS_PLAN_CHAIN : 0);
        params[6] = 17.0;
        make(&loop, &config, c / 4 % 2, MS_LEAST_LOADED);
        loop.instances.brain[0].policy.rated = c / 16 ? NULL : refuse;
        loop.instances.brain[0].policy.learn = c / 16 ? refuse_lesson : NULL;
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 1, 1000) == MS_ERR_LABEL);
        CHECK(loop.error_request == 17 && loop.error_plan == (c / 16 ? -43 : -42));
        ms_run_free(&loop);
    }
}

/* ---- by hand --------------------------------------------------------------------------------------------------- */

static int64_t rated_request, rated_model, lessons;
static double rated_satisfaction, lesson[FEATURES + MODELS];

static int64_t note_rating(int64_t request, int64_t tenant, int64_t model, double alpha, double satisfaction,
    double queue,
                           const double *params_, double *state)
{
    (void)tenant, (void)alpha, (void)queue, (void)params_, (void)state;
    rated_request = request;
    rated_model = model;
    rated_satisfaction = satisfaction;
    return 0;
}

static int64_t note_lesson(int64_t request, int64_t tenant, int64_t models, int64_t dimensions, const double *given,
                           const double *labels, const double *params_, double *state)
{
    (void)request, (void)tenant, (void)params_, (void)state;
    CHECK(dimensions == 0 && models == MODELS); /* the policy itself asks for no features */
    memcpy(lesson, given, FEATURES * sizeof *lesson);
    memcpy(lesson + FEATURES, labels, (size_t)models * sizeof *lesson);
    lessons++;
    return 0;
}

/* Both models are asked; the answer of model 1 is seen. Raters say 0.25 of model 0 and `heard` of model 1, whose
 * satisfaction is 1. */
static void hear(double heard, int late, int one_sided, int rated)
{
    static double labels[MODELS];
    ms_run loop;
    ms_run_config config = plain;
    config.raters_err = 1;
    config.keeps_delays = late;
    config.one_sided = one_sided;
    ask(1, 1.0, 4, 3);
    plans_are(MS_PLAN_ALL, 0, 0, 0);
    sheets[0].feedback[0] = rated ? 0.0 : 0.75;
    sheets[0].satisfied_in[0] = 0.0;
    sheets[0].satisfied_in[1] = 1.0;
    labels[0] = 0.25;
    labels[1] = heard;
    sheets[0].page.labels = labels;
    sheets[0].page.delay_s = late ? sheets[0].delay : NULL;
    make(&loop, &config, 1, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.rated = note_rating;
    loop.instances.brain[0].policy.learn = note_lesson;
    rated_request = rated_model = -1;
    lessons = 0;
    begin(&loop);
    end(&loop);
    const int is_heard = rated && !isnan(heard);
    CHECK(loop.instances.delivered[sheets[0].tenant[0]].rated == 1);
    CHECK(loop.instances.brain[0].tracked[sheets[0].tenant[0]].rated == is_heard);
    CHECK(rated_request == (is_heard ? 0 : -1) && rated_model == (is_heard ? 1 : -1));
    CHECK(!is_heard || rated_satisfaction == heard);
    CHECK(isnan(sheets[0].feedback_s[0]) == !is_heard);
    CHECK(!is_heard || sheets[0].feedback_s[0] == (late ? 3.0 + sheets[0].delay[1] : 0.0));
    const int teaches = rated && (!isnan(heard) || !one_sided);
    CHECK(lessons == teaches);
    if (teaches) {
        CHECK(memcmp(lesson, sheets[0].features, FEATURES * sizeof *lesson) == 0);
        CHECK(one_sided ? isnan(lesson[FEATURES]) : lesson[FEATURES] == 0.25);
        CHECK(same_bits(lesson[FEATURES + 1], heard));
    }
    ms_run_free(&loop);
}

/* What raters say of neither the one model nor the other is of other requests: who hears nothing of the model that was asked
 * has no rating. */
static void silence_is_of_a_request_and_a_model(void)
{
    enum { N = 24 };
    static double labels[MODELS * N];
    ms_run loop;
    ms_run_config config = plain;
    config.raters_err = 1;
    ask(N, 1.0, 4, 3);
    plans_are(0, 1, 0, 1);
    for (int32_t i = 0; i < N; i++) {
        labels[i] = i % 3 == 0 ? NAN : 0.5;
        labels[N + i] = i % 5 == 0 ? NAN : 0.5;
    }
    sheets[0].page.labels = labels;
    sheets[0].page.delay_s = NULL;
    make(&loop, &config, 1, MS_LEAST_LOADED);
    begin(&loop);
    end(&loop);
    for (int32_t i = 0; i < N; i++) {
        CHECK(isnan(sheets[0].feedback_s[i]) == (i % (i % 2 == 0 ? 3 : 5) == 0));
    }
    ms_run_free(&loop);
}

static void a_label_is_what_raters_say(void)
{
    for (int k = 0; k < 8; k++) {
        hear(0.5, k & 1, k >> 1 & 1, k >> 2);
        hear(NAN, k & 1, k >> 1 & 1, k >> 2);
    }
}

/* An answer at 3 s whose label takes 2 s is not heard of before the horizon of 4 s. */
static void a_label_beyond_the_horizon_is_not_heard(void)
{
    for (int beyond = 0; beyond < 2; beyond++) {
        ms_run loop;
        ms_run_config config = plain;
        config.keeps_delays = 1;
        config.horizon_s = beyond ? 4.0 : 5.0;
        ask(1, 1.0, 4, 3);
        sheets[0].delay[0] = 2.0;
        make(&loop, &config, 1, MS_LEAST_LOADED);
        CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
        CHECK(loop.labels_to_come == beyond);
        CHECK(loop.instances.brain[0].tracked[sheets[0].tenant[0]].rated == !beyond);
        ms_loop_cut(&loop);
        CHECK(sheets[0].status[0] == MS_COMPLETED &&
              (beyond ? isnan(sheets[0].feedback_s[0]) : sheets[0].feedback_s[0] == 5.0));
        ms_run_free(&loop);
    }
}

/* Who gives up is counted as not satisfied, if asked; who is not rated says nothing, and of no model no policy is
 * told. */
static void who_has_no_answer_may_complain(void)
{
    for (int k = 0; k < 4; k++) {
        ms_run loop;
        const int has_model = k & 1, is_rated = k >> 1;
        fill(&sheets[0], 0, 1, 1.0);
        make(&loop, &plain, 0, MS_LEAST_LOADED);
        loop.instances.brain[0].policy.rated = note_rating;
        rated_request = -1;
        const ms_open open = {
            .request = 3, .tenant = 1, .seen = has_model ? 0
                : -1, .rated = (uint8_t)is_rated, .brain = loop.instances.brain};
        CHECK(ms_labels_complain(&loop, &open) == 0);
        CHECK(loop.instances.brain[0].tracked[1].rated == is_rated && loop.instances.brain[0].tracked[0].rated == 0);
        CHECK(loop.instances.brain[0].tracked[1].queue == (is_rated ? alphas[1] : 0.0));
        CHECK(rated_request == (is_rated && has_model ? 3 : -1));
        CHECK(rated_request < 0 || (rated_satisfaction == 0.0 && rated_model == 0));
        ms_run_free(&loop);
    }
}

/* Of two that are asked one turns it away, at once or late: the lesson has the other's label alone. */
static void who_is_turned_away_is_left_out_of_the_lesson(void)
{
    for (int k = 0; k < 4; k++) {
        const int late = k & 1, full = k >> 1;
        ms_run loop;
        ms_run_config config = plain;
        config.max_waiting = 0;
        config.keeps_delays = late;
        config.feedback_probability = 1.0;
        ask(1, 1.0, 4, 3);
        plans_are(MS_PLAN_ALL, 0, 0, 0);
        sheets[0].satisfied_in[0] = 0.25;
        sheets[0].satisfied_in[1] = 0.75;
        sheets[0].page.delay_s = late ? sheets[0].delay : NULL;
        make(&loop, &config, 1, MS_LEAST_LOADED);
        loop.fleet.pool[full].plan.limits.max_num_seqs = 0;
        loop.instances.brain[0].policy.learn = note_lesson;
        lessons = 0;
        begin(&loop);
        end(&loop);
        CHECK(lessons == 1 && isnan(lesson[FEATURES + full]) && lesson[FEATURES + 1 - full] == (full ? 0.25 : 0.75));
        ms_run_free(&loop);
    }
}

/* Of a chain the last answer alone has a label: the lesson is over with it. */
static void a_chain_teaches_its_last_answer(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.learns_every_answer = 1;
    ask(1, 1.0, 4, 3);
    plans_are(MS_PLAN_CHAIN | 0, 0, 0, 0);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.learn = note_lesson;
    lessons = 0;
    begin(&loop);
    end(&loop);
    CHECK(sheets[0].model[0] == 1 && lessons == 1 && isnan(lesson[FEATURES]) && lesson[FEATURES + 1] == sheets[0].satisfied_in[1]);
    ms_run_free(&loop);
}

/* As any rating a complaint may be refused by the policy, which ends the run. */
static void a_policy_may_refuse_a_complaint(void)
{
    for (int refuses = 0; refuses < 2; refuses++) {
        ms_run loop;
        fill(&sheets[0], 0, 1, 1.0);
        make(&loop, &plain, 0, MS_LEAST_LOADED);
        plans_are(0, 0, 0, 0);
        params[6] = refuses ? 3.0 : 4.0;
        loop.instances.brain[0].policy.rated = refuse;
        const ms_open open = {.request = 3, .tenant = 1, .seen = 1, .rated = 1, .brain = loop.instances.brain};
        CHECK(ms_labels_complain(&loop, &open) == (refuses ? MS_ERR_LABEL : 0));
        CHECK(!refuses || (loop.error_request == 3 && loop.error_plan == -42));
        ms_run_free(&loop);
    }
}

/* Labels come by request and model. */
static void labels_have_an_order(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.keeps_delays = 1;
    ask_eighth(1);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    begin(&loop);
    CHECK(is_due_as(&loop, MS_DO_LABEL, ms_order(MS_LABEL, 8), 1));
    end(&loop);
    ms_run_free(&loop);
}

/* Features as the predictor sees them, or as they are without one; however many there are. */
static void a_lesson_begins_with_its_features(void)
{
    for (int32_t d = 0; d <= FEATURES; d++) {
        for (int late = 0; late < 2; late++) {
            for (int predicts = 0; predicts < 2; predicts++) {
                ms_run loop;
                ms_predictor predictor;
                ms_run_config config = plain;
                config.features = d;
                ask(3, 1.0, 4, 3);
                make(&loop, &config, 0, MS_LEAST_LOADED);
                CHECK(ms_predictor_init(&predictor, MODELS, d) == 0);
                loop.instances.brain[0].predictor = predicts ? &predictor : NULL;
                ms_open open = {.request = 1, .i = 1, .page = &sheets[0].page, .brain = loop.instances.brain};
                open.at_once = !late;
                CHECK(ms_labels_begin_lesson(&loop, &open) == 0 && (open.lesson == loop.lesson) == !late);
                for (int32_t j = 0; j < d; j++) {
                    CHECK(open.lesson[j] == sheets[0].features[3 * j + 1]);
                }
                CHECK(isnan(open.lesson[d]) && isnan(open.lesson[d + 1]));
                ms_labels_end_lesson(&loop, &open);
                CHECK(open.lesson == NULL);
                ms_predictor_free(&predictor);
                ms_run_free(&loop);
            }
        }
    }
}

int main(void)
{
    RUN(raters_may_err);
    RUN(a_late_label_moves_the_queue_late);
    RUN(nobody_rates_an_answer_of_a_model_that_is_not_asked);
    RUN(a_lesson_waits_for_those_that_are_asked);
    RUN(a_chain_is_rated_as_it_ends);
    RUN(a_policy_may_refuse_a_label);
    RUN(a_label_is_what_raters_say);
    RUN(silence_is_of_a_request_and_a_model);
    RUN(a_label_beyond_the_horizon_is_not_heard);
    RUN(who_has_no_answer_may_complain);
    RUN(who_is_turned_away_is_left_out_of_the_lesson);
    RUN(a_chain_teaches_its_last_answer);
    RUN(a_policy_may_refuse_a_complaint);
    RUN(labels_have_an_order);
    RUN(a_lesson_begins_with_its_features);
    return report();
}
