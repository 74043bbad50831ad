#include "open.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "jobs.h"

static ms_job seen(int32_t replica, int32_t preemptions, int32_t prompt, int64_t again, double start_s, double token_s)
{
    ms_job job = ms_job_new(0, 0, 9, 3);
    job.replica = replica;
    job.preemptions = preemptions;
    job.cached_prompt_tokens = prompt;
    job.cached_recompute_tokens = again;
    job.start_s = start_s;
    job.first_token_s = token_s;
    return job;
}

/* What is of the answer is that of the last copy that was seen; what the request took adds up; it starts once. */
static void an_answer_that_is_seen_is_noted(void)
{
    ms_open open = {.request = 1};
    const ms_job first = seen(3, 2, 5, 7, 1.0, 2.0), second = seen(4, 1, 6, 8, 3.0, 4.0);
    ms_open_saw(&open, &first);
    open.stage = 1;
    ms_open_saw(&open, &second);
    CHECK(open.replica == 4 && open.preemptions == 3);
    CHECK(open.cached_prompt_tokens == 6 && open.cached_recompute_tokens == 15);
    CHECK(open.start_s == 1.0 && open.first_token_s == 4.0);
}

static void all_but_the_answers_model_is_exploration(void)
{
    ms_open open = {.seen = 1};
    ms_open_pay(&open, 0, 2.0, 3.0);
    ms_open_pay(&open, 1, 4.0, 5.0);
    ms_open_pay(&open, 2, 8.0, 7.0);
    CHECK(open.energy_j == 14.0 && open.cost == 15.0 && open.exploration_cost == 10.0);
}

static void a_later_attempt_takes_over_what_the_first_has_spent(void)
{
    ms_open heir = {.energy_j = 1.0, .cost = 2.0, .exploration_cost = 3.0, .preemptions = 4, .cached_recompute_tokens = 5};
    ms_open open = heir;
    open.heir = &heir;
    ms_open_pass_on(&open);
    CHECK(open.closed && !heir.closed);
    CHECK(heir.energy_j == 2.0 && heir.cost == 4.0 && heir.exploration_cost == 6.0);
    CHECK(heir.preemptions == 8 && heir.cached_recompute_tokens == 10);
}

/* Each of the parts of what is kept has its own place, and all of them the memory that is asked for. */
static void what_is_kept_has_places_of_its_own(void)
{
    for (int k = 0; k < 3 * 4 * 2; k++) {
        const int32_t models = 1 + k % 3, uniforms = k / 3 % 4;
        const int raters_err = k / 12;
        ms_open *open = malloc(ms_open_bytes(models, uniforms, raters_err));
        double *parts[] = {ms_open_satisfied(open),       ms_open_delays(open, models), ms_open_scores(open, models),
                           ms_open_costs(open, models),   ms_open_facts(open, models),  ms_open_uniforms(open, models),
                           ms_open_labels(open, models, uniforms)};
        const int32_t lengths[] = {models, models, models, models, models, uniforms, raters_err ? models : 0};
        double *end = open->kept;
        for (int part = 0; part < 7; part++) {
            for (int32_t i = 0; i < lengths[part]; i++) {
                parts[part][i] = part;
                end = &parts[part][i + 1] > end ? &parts[part][i + 1] : end;
            }
        }
        for (int part = 0; part < 7; part++) {
            for (int32_t i = 0; i < lengths[part]; i++) {
                CHECK(parts[part][i] == part);
            }
        }
        CHECK((char *)end == (char *)open + ms_open_bytes(models, uniforms, raters_err));
        free(open);
    }
}

static void a_copy_is_dropped_from_among_the_others(void)
{
    for (int gone = 0; gone < 3; gone++) {
        ms_job jobs[3];
        ms_open open = {.jobs = &jobs[0]};
        for (int k = 0; k < 3; k++) {
            jobs[k] = ms_job_new(k, 0, 1, 1);
            jobs[k].sibling = k < 2 ? &jobs[k + 1] : NULL;
        }
        ms_open_drop(&open, &jobs[gone]);
        ms_job *const left[] = {&jobs[gone == 0], &jobs[gone == 2 ? 1 : 2]};
        CHECK(open.jobs == left[0] && left[0]->sibling == left[1] && left[1]->sibling == NULL);
    }
}

/* Of every row, also the last, which no row follows, and of pages without some of their columns. */
static void to_expect_a_row_changes_nothing(void)
{
    enum { N = 3, MODELS = 2, FEATURES = 70 };
    static double features[FEATURES * N], known[MODELS * N], uniforms[2 * N], satisfied[MODELS * N], times_s[N];
    static int32_t tenant[N], prompt[N] = {5, 6, 7}, outputs[MODELS * N], first_child[N] = {1, 2, -1}, new_tokens[N];
    static int32_t model[N];
    static int64_t session[N], path_start[N + 1] = {0, 1, 2, 3};
    static ms_node_of_path path[N] = {{1, 5}, {1, 6}, {1, 7}};
    ms_page page = {.n = N,
                    .view = {.n = N, .features = features, .known_costs = known, .uniforms = uniforms},
                    .arrival_s = times_s,
                    .tenant = tenant,
                    .prompt_tokens = prompt,
                    .output_tokens = outputs,
                    .satisfied = satisfied,
                    .turns = {.first_child = first_child, .wait_s = times_s, .model = model, .session = session,
                              .new_tokens = new_tokens},
                    .path_start = path_start,
                    .path = path};
    for (int turn = 0; turn < 3; turn++) {
        const int lacks = turn == 2;
        page.view.models_in_row = turn == 1 ? MODELS : 0;
        page.view.features_in_row = turn == 1 ? FEATURES : 0;
        for (int64_t i = 0; i < N; i++) {
            ms_page_expect_decision(&page, i, MODELS, lacks ? 0 : FEATURES, lacks ? 0 : 2);
            ms_page_expect_answer(&page, i, MODELS);
            ms_page_expect_next_turn(&page, i, MODELS);
            CHECK(prompt[i] == 5 + i && path[i].end_tokens == 5 + i && first_child[i] == (i < 2 ? i + 1 : -1));
            CHECK(known[i] == 0.0 && satisfied[i] == 0.0 && features[i] == 0.0);
        }
        if (turn == 1) {
            page.path_start = NULL;
            page.path = NULL;
            page.output_tokens = page.turns.new_tokens = NULL;
            page.view.features = page.view.uniforms = NULL;
        }
    }
}

/* Value 10 m + i of model or feature m and request i, in columns and in rows. */
static void values_in_rows_are_those_in_columns(void)
{
    enum { N = 3, MODELS = 2 };
    const double columns[] = {0, 1, 2, 10, 11, 12}, rows[] = {0, 10, 1, 11, 2, 12};
    for (int in_rows = 0; in_rows < 2; in_rows++) {
        const double *values = in_rows ? rows : columns;
        const int32_t width = in_rows ? MODELS : 0;
        const ms_page page = {
            .n = N, .view = {.n = N, .models_in_row = width, .features_in_row = width, .features = values}};
        for (int64_t i = 0; i < N; i++) {
            const ms_stretch features = ms_page_view_features(&page.view, i, i);
            CHECK(features.n == N - i);
            for (int64_t m = 0; m < MODELS; m++) {
                const double expected = (double)(10 * m + i);
                CHECK(values[ms_page_at(&page, m, i)] == expected);
                CHECK(values[ms_page_view_at(&page.view, i) + m * ms_page_view_step(&page.view)] == expected);
                CHECK(values[ms_page_at(&page, 0, i) + m * ms_page_step(&page)] == expected);
                CHECK(features.x[m * features.stride] == expected);
            }
        }
    }
}

/* Bytes of a record's columns, of few rows each. */
typedef struct book {
    ms_record_columns columns;
    char bytes[32][64];
} book;

static void begin(book *self)
{
    memset(self->bytes, 85, sizeof self->bytes);
    int k = 0;
#define POINT(type, name, value, is_late) self->columns.name = (type *)(void *)self->bytes[k++];
    MS_RECORD_COLUMNS(POINT)
#undef POINT
}

/* How it may end: k says in what. */
static void end(ms_open *self, int k)
{
    self->status = k == 0 ? MS_LOST : MS_COMPLETED;
    self->preemptions = k == 1;
    self->cached_prompt_tokens = k == 2;
    self->cached_recompute_tokens = k == 3;
    self->exploration_cost = k == 4 ? 3.0 : 0.0;
    self->feedback_s = k == 5 ? NAN : 2.0;
    self->replica = 7;
    self->start_s = k == 6 ? NAN : 1.5;
    self->first_token_s = 2.5;
    self->finish_s = 3.5;
    self->energy_j = self->cost = 4.5;
}

/* What is written when a request is sent and what is left until its end are together what is written at once; of a later
 * attempt and of a chain nothing is written before. */
static void a_record_that_was_foreseen_is_the_same(void)
{
    static const double satisfied[6] = {0.0, 0.25, 0.5, 0.75, 1.0, 0.125};
    static const int32_t outputs[6] = {1, 2, 3, 4, 5, 6};
    static book before, after;
    for (int k = 0; k < 8; k++) {
        for (int later = 0; later < 3; later++) {
            ms_page page = {.n = 3, .open = 9, .satisfied = satisfied, .output_tokens = k == 7 ? NULL : outputs};
            ms_open sent = {.i = 2, .page = &page, .seen = 1, .attempt = later == 1, .plan = later == 2 ? MS_PLAN_CHAIN : 1,
                            .explored = k % 2 == 1, .status = MS_IN_FLIGHT, .replica = -1, .arrival_s = 1.0, .queue = 6.5,
                            .score = NAN, .feedback_s = NAN, .start_s = NAN, .first_token_s = NAN, .finish_s = NAN};
            ms_open other = sent;
            begin(&before);
            page.record = before.columns;
            ms_open_foresee(&sent);
            CHECK(sent.foreseen == (later == 0) && (before.columns.model[2] == 1) == (later == 0));
            CHECK(before.columns.status[2] == 85); /* the row does not stand */
            ms_open_expect_end(&sent);
            end(&sent, k);
            ms_open_put_down(&sent);
            begin(&after);
            page.record = after.columns;
            end(&other, k);
            ms_open_put_down(&other);
            CHECK(memcmp(before.bytes, after.bytes, sizeof before.bytes) == 0);
            CHECK(sent.closed && page.open == 7);
        }
    }
}

/* In a row stand the values that columns have, foreseen or not, and nothing of other rows is touched. */
static void a_record_in_a_row_is_the_same(void)
{
    static const double satisfied[6] = {0.0, 0.25, 0.5, 0.75, 1.0, 0.125};
    static const int32_t outputs[6] = {1, 2, 3, 4, 5, 6};
    static book columns;
    for (int k = 0; k < 16; k++) {
        ms_record rows[3];
        unsigned char untouched[sizeof(ms_record)];
        int32_t of_three[3] = {0};
        double costs[6] = {0.0};
        ms_page page = {.n = 3, .open = 9, .satisfied = satisfied, .output_tokens = outputs, .tenant = of_three,
                        .prompt_tokens = of_three, .view = {.known_costs = costs}};
        ms_open one = {.i = 1, .page = &page, .seen = 1, .status = MS_IN_FLIGHT, .replica = -1, .arrival_s = 1.0, .queue = 6.5,
                       .score = 0.75, .feedback_s = NAN, .start_s = NAN, .first_token_s = NAN, .finish_s = NAN};
        ms_open other = one;
        begin(&columns);
        page.record = columns.columns;
        end(&one, k / 2);
        ms_open_put_down(&one);
        memset(rows, 85, sizeof rows);
        memset(untouched, 85, sizeof untouched);
        ms_page_lay_rows(&page, rows);
        ms_page_prefetch(&page, 1, 0);
        if (k % 2 == 1) {
            ms_open_foresee(&other);
            ms_open_expect_end(&other);
        }
        end(&other, k / 2);
        ms_open_put_down(&other);
#define SAME(type, name, value, is_late) CHECK(memcmp(&columns.columns.name[1], &rows[1].name, sizeof(type)) == 0);
        MS_RECORD_COLUMNS(SAME)
#undef SAME
        CHECK(memcmp(&rows[0], untouched, sizeof *rows) == 0 && memcmp(&rows[2], untouched, sizeof *rows) == 0);
    }
}

int main(void)
{
    RUN(an_answer_that_is_seen_is_noted);
    RUN(all_but_the_answers_model_is_exploration);
    RUN(a_later_attempt_takes_over_what_the_first_has_spent);
    RUN(what_is_kept_has_places_of_its_own);
    RUN(a_copy_is_dropped_from_among_the_others);
    RUN(to_expect_a_row_changes_nothing);
    RUN(values_in_rows_are_those_in_columns);
    RUN(a_record_that_was_foreseen_is_the_same);
    RUN(a_record_in_a_row_is_the_same);
    return report();
}
