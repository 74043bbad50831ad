#include "open.h"

#include <math.h>

#include "early.h"

void ms_page_lay_rows(ms_page *self, ms_record *rows)
{
#define MS_COLUMN(type, name, value, is_late) self->record.name = &rows->name;
    MS_RECORD_COLUMNS(MS_COLUMN)
#undef MS_COLUMN
    self->in_rows = 1;
}

static void expect_row(const ms_page *self, int64_t i)
{
    ms_early_all((const ms_record *)(const void *)self->record.arrival_s + i, sizeof(ms_record));
}

void ms_page_prefetch(const ms_page *self, int32_t models, int64_t i)
{
    if (i >= self->n) {
        return;
    }
    ms_early(self->tenant + i);
    ms_early(self->prompt_tokens + i);
    for (int64_t at = i; at < models * self->n; at += self->n) {
        ms_early(self->view.known_costs + at);
        ms_early(self->satisfied + at);
        if (self->output_tokens != NULL) {
            ms_early(self->output_tokens + at);
        }
    }
    if (self->in_rows) { /* which processors ask for by themselves, as they are written one after the other */
        return;
    }
#define MS_COLUMN(type, name, value, is_late) ms_early(self->record.name + i);
    MS_RECORD_COLUMNS(MS_COLUMN)
#undef MS_COLUMN
}

enum { MOST_FEATURES = 64 }; /* more are not worth asking for: they come one after the other all the same */

static void expect_features(const ms_page *self, int64_t i, int32_t features)
{
    const ms_page_view *view = &self->view;
    const int32_t most = features < MOST_FEATURES ? features : MOST_FEATURES;
    if (view->features_in_row > 0) {
        ms_early_all(view->features + i * view->features_in_row, (size_t)most * sizeof *view->features);
        return;
    }
    for (int32_t j = 0; j < most && view->features != NULL; j++) {
        ms_early(view->features + j * self->n + i);
    }
}

/* Of a column by model, whose values have so many bytes. */
static void expect_models(const ms_page *self, const void *column, size_t bytes, int64_t i, int32_t models)
{
    const char *first = (const char *)column + (size_t)ms_page_at(self, 0, i) * bytes;
    if (self->view.models_in_row > 0) {
        ms_early_all(first, (size_t)models * bytes);
        return;
    }
    for (int32_t m = 0; m < models; m++) {
        ms_early(first + (size_t)m * (size_t)self->n * bytes);
    }
}

void ms_page_expect_decision(const ms_page *self, int64_t i, int32_t models, int32_t features, int32_t uniforms)
{
    expect_features(self, i, features);
    expect_models(self, self->view.known_costs, sizeof *self->view.known_costs, i, models);
    if (uniforms > 0) {
        ms_early(self->view.uniforms + uniforms * i);
    }
    ms_early(self->tenant + i);
    ms_early(self->prompt_tokens + i);
    if (self->path_start != NULL) {
        ms_early(self->path_start + i);
    }
    if (self->in_rows) {
        expect_row(self, i);
    }
}

void ms_page_expect_answer(const ms_page *self, int64_t i, int32_t models)
{
    expect_models(self, self->satisfied, sizeof *self->satisfied, i, models);
    if (self->output_tokens != NULL) {
        expect_models(self, self->output_tokens, sizeof *self->output_tokens, i, models);
    }
    if (self->path_start != NULL) {
        ms_early(self->path + self->path_start[i]);
    }
    if (self->turns.session != NULL) {
        ms_early(self->turns.session + i);
    }
}

void ms_page_expect_next_turn(const ms_page *self, int64_t i, int32_t models)
{
    ms_early(self->turns.first_child + i);
    if (self->turns.new_tokens != NULL) {
        if (i + 1 < self->n) {
            expect_models(self, self->view.known_costs, sizeof *self->view.known_costs, i + 1, models);
        }
        ms_early(self->prompt_tokens + i);
        ms_early(self->turns.new_tokens + i + 1);
        ms_early(self->path_start + i + 1);
    }
    if (self->turns.wait_s != NULL) {
        ms_early(self->turns.wait_s + i + 1);
        ms_early(self->turns.model + i + 1);
        ms_early(self->arrival_s + i + 1);
    }
}

void ms_open_saw(ms_open *self, const ms_job *job)
{
    self->replica = job->replica;
    self->preemptions += job->preemptions;
    self->cached_prompt_tokens = job->cached_prompt_tokens;
    self->cached_recompute_tokens += job->cached_recompute_tokens;
    if (self->stage == 0) {
        self->start_s = job->start_s;
    }
    self->first_token_s = job->first_token_s;
}

void ms_open_pay(ms_open *self, int32_t model, double energy_j, double cost)
{
    self->energy_j += energy_j;
    self->cost += cost;
    if (model != self->seen) {
        self->exploration_cost += cost;
    }
}

void ms_open_drop(ms_open *self, ms_job *job)
{
    ms_job **at = &self->jobs;
    while (*at != job) {
        at = &(*at)->sibling;
    }
    *at = job->sibling;
}

void ms_open_pass_on(ms_open *self)
{
    ms_open *heir = self->heir;
    heir->energy_j += self->energy_j;
    heir->cost += self->cost;
    heir->exploration_cost += self->exploration_cost;
    heir->preemptions += self->preemptions;
    heir->cached_recompute_tokens += self->cached_recompute_tokens;
    self->closed = 1;
}

void ms_open_expect_end(const void *open)
{
    const ms_open *self = open;
    const ms_page *page = self->page;
    const int completed = 1;
    ms_early(self->previous);
    ms_early(self->next);
    if (page->in_rows) {
        expect_row(page, self->i);
        return;
    }
#define MS_COLUMN(type, name, value, is_late)     \
    if (is_late) {                                \
        ms_early(page->record.name + self->i); \
    }
    MS_RECORD_COLUMNS(MS_COLUMN)
#undef MS_COLUMN
}

void ms_open_foresee(ms_open *self)
{
    const ms_page *page = self->page;
    const int64_t i = self->i, answer = ms_page_at(page, self->seen, i);
    const int completed = 1;
    if (self->attempt > 0 || self->plan & MS_PLAN_CHAIN) {
        return;
    }
#define MS_COLUMN(type, name, value, is_late)                                           \
    if (!(is_late)) {                                                                   \
        page->record.name[ms_page_record_at(page, i, sizeof(type))] = (type)(value); \
    }
    MS_RECORD_COLUMNS(MS_COLUMN)
#undef MS_COLUMN
    self->foreseen = 1;
}

void ms_open_put_down(ms_open *self)
{
    ms_page *page = self->page;
    const int64_t i = self->i, answer = self->seen >= 0 ? ms_page_at(page, self->seen, i) : -1;
    const int completed = self->status == MS_COMPLETED;
#define MS_COLUMN(type, name, value, is_late) page->record.name[ms_page_record_at(page, i, sizeof(type))] = (type)(value);
#define MS_COLUMN_LEFT(type, name, value, is_late)                                      \
    if (is_late) {                                                                      \
        page->record.name[ms_page_record_at(page, i, sizeof(type))] = (type)(value); \
    }
    if (self->foreseen) {
        MS_RECORD_COLUMNS(MS_COLUMN_LEFT)
    } else {
        MS_RECORD_COLUMNS(MS_COLUMN)
    }
#undef MS_COLUMN
#undef MS_COLUMN_LEFT
    page->open--;
    self->closed = 1;
}
