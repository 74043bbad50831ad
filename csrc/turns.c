#include "turns.h"

#include <math.h>
#include <stdlib.h>

#include "early.h"
#include "error.h"

void ms_turns_expect(ms_run *run, const ms_page *page)
{
    run->turns_to_come += page->n - ms_page_coming(page);
}

void ms_turns_foresee(const ms_run *run, const ms_job *job)
{
    const ms_open *open = job->owner;
    const ms_page *page = open->page;
    const int32_t *new_tokens = page->turns.new_tokens;
    if (page->turns.first_child == NULL) {
        return;
    }
    ms_page_expect_next_turn(page, open->i, run->config.models);
    if (new_tokens != NULL && run->prompt_memo != NULL && open->i + 1 < page->n) {
        const int64_t tokens = (int64_t)job->prompt_tokens + job->output_tokens + new_tokens[open->i + 1];
        const int32_t costs = ms_cost_models(run->prompt_costs, run->n_prompt_costs);
        ms_early(run->prompt_memo + (tokens < MS_REMEMBERED_LENGTHS ? tokens * costs : 0));
    }
}

/* The list of turns that are not sent grows at its end by those that wait for one of them. */
static void cancel(ms_run *run, ms_page *page, int64_t before)
{
    const ms_page_turns *turns = &page->turns;
    int32_t tail = turns->first_child[before];
    for (int32_t i = tail; i >= 0; i = turns->next_child[i]) {
        while (turns->next_child[tail] >= 0) {
            tail = turns->next_child[tail];
        }
        turns->next_child[tail] = turns->first_child[i];
        page->record.status[ms_page_record_at(page, i, sizeof *page->record.status)] = MS_NOT_SENT;
        page->open--;
        run->turns_to_come--;
        run->turns_not_sent++;
    }
}

/* The prompt of a turn, and what it costs by its length. */
static void grow(ms_run *run, const ms_open *before, int32_t i)
{
    ms_page *page = before->page;
    const int32_t answer = page->output_tokens[ms_page_at(page, before->seen, before->i)];
    page->prompt_tokens[i] = page->prompt_tokens[before->i] + answer + page->turns.new_tokens[i];
    page->path[page->path_start[i + 1] - 1].end_tokens = page->prompt_tokens[i];
    if (run->prompt_memo == NULL) { /* without memory for it nothing is remembered */
        run->prompt_memo = calloc(ms_cost_memo_length(run->prompt_costs, run->n_prompt_costs) + 1, sizeof(double));
    }
    const int64_t at = ms_page_at(page, 0, i);
    const double *factors = page->price_factor != NULL ? page->price_factor + at : NULL;
    ms_cost_of_prompt(run->prompt_costs, run->n_prompt_costs, page->prompt_tokens[i], factors,
                      page->view.known_costs + at, ms_page_step(page), run->prompt_memo);
    for (int32_t m = 0; m < run->config.models; m++) {
        if (!ms_fleet_takes(&run->fleet, m, page->prompt_tokens[i], ms_page_max_new(page, m, i))) {
            page->view.known_costs[ms_page_at(page, m, i)] = INFINITY;
        }
    }
}

int ms_turns_follow(ms_run *run, const ms_open *open)
{
    ms_page *page = open->page;
    const ms_page_turns *turns = &page->turns;
    if (turns->first_child == NULL) {
        return 0;
    }
    if (open->status != MS_COMPLETED) {
        cancel(run, page, open->i);
        return 0;
    }
    for (int32_t i = turns->first_child[open->i]; i >= 0; i = turns->next_child[i]) {
        turns->model[i] = open->seen;
        if (turns->new_tokens != NULL) {
            grow(run, open, i);
        }
        const double thought_s = run->now_s + turns->wait_s[i], own_s = page->arrival_s[i];
        const double due_s = thought_s > own_s ? thought_s : own_s;
        run->turns_due += due_s <= run->config.horizon_s && due_s < INFINITY;
        MS_TRY(ms_run_put(run, due_s, ms_order(MS_RETRIES, page->first + i), 0, MS_DO_TURN, page, i));
    }
    return 0;
}
