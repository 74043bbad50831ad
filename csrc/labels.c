#include "labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

static double satisfaction_of(ms_open *open, int32_t model)
{
    return open->at_once ? open->page->satisfied[model * open->page->n + open->i]
                         : ms_open_satisfied(open)[model];
}

/* What the rater says of a copy. */
static double label_of(const ms_loop *loop, ms_open *open, int32_t model, double satisfied)
{
    if (!loop->config.raters_err) {
        return satisfied;
    }
    return open->at_once ? open->page->labels[model * open->page->n + open->i]
                         : ms_open_labels(open, loop->config.models, loop->config.uniforms)[model];
}

int ms_labels_hears(const ms_loop *loop, ms_open *open, int32_t model)
{
    if (!open->rated || model != open->seen) {
        return 0;
    }
    return open->at_once ? !open->silent : !isnan(label_of(loop, open, model, 0.0));
}

void ms_labels_keep(const ms_loop *loop, ms_open *open)
{
    const ms_page *page = open->page;
    const int32_t models = loop->config.models;
    for (int32_t m = 0; m < models; m++) {
        const int64_t at = m * page->n + open->i;
        ms_open_satisfied(open)[m] = page->satisfied[at];
        ms_open_delays(open, models)[m] = page->delay_s != NULL ? page->delay_s[at] : 0.0;
        ms_open_scores(open, models)[m] = open->brain->scores[m];
        ms_open_costs(open, models)[m] = open->brain->costs[m];
        ms_open_facts(open, models)[m] = open->brain->facts[m];
        if (loop->config.raters_err) {
            ms_open_labels(open, models, loop->config.uniforms)[m] = page->labels[at];
        }
    }
    const int64_t uniforms = loop->config.uniforms;
    memcpy(ms_open_uniforms(open, models), open->brain->uniforms, (size_t)uniforms * sizeof(double));
}

int ms_labels_begin_lesson(ms_loop *loop, ms_open *open)
{
    const int32_t d = loop->config.features, models = loop->config.models;
    open->lesson = open->at_once ? loop->lesson : malloc((size_t)(d + models) * sizeof(double));
    if (open->lesson == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int32_t j = 0; j < d; j++) {
        open->lesson[j] = open->page->view.features[j * open->page->n + open->i];
    }
    for (int32_t m = 0; m < models; m++) {
        open->lesson[d + m] = NAN;
    }
    return 0;
}

void ms_labels_end_lesson(const ms_loop *loop, ms_open *open)
{
    if (open->lesson != loop->lesson) {
        free(open->lesson);
    }
    open->lesson = NULL;
}

/* When the last label is in, the router learns; copies without one are left out. */
int ms_labels_miss(ms_loop *loop, ms_open *open)
{
    open->unlabelled--;
    if (open->unlabelled > 0 || open->lesson == NULL) {
        return 0;
    }
    const double *labels = open->lesson + loop->config.features;
    int known = 0;
    for (int32_t m = 0; m < loop->config.models; m++) {
        known |= labels[m] == labels[m];
    }
    int64_t code = 0;
    if (known) {
        code = ms_brain_learn(open->brain, open->request, open->tenant, open->lesson, labels);
    }
    ms_labels_end_lesson(loop, open);
    return code < 0 ? ms_loop_illegal(loop, open->request, code, MS_ERR_LABEL) : 0;
}

int ms_labels_give(ms_loop *loop, ms_open *open, int32_t model)
{
    const double satisfied = satisfaction_of(open, model);
    const double label = label_of(loop, open, model, satisfied);
    if (model == open->seen) {
        ms_ledger_rate(&loop->instances.delivered[open->tenant], satisfied);
    }
    if (ms_labels_hears(loop, open, model)) {
        const int64_t code = ms_brain_rate(open->brain, open->request, model, open->tenant, label);
        if (code < 0) {
            return ms_loop_illegal(loop, open->request, code, MS_ERR_LABEL);
        }
    }
    if (open->lesson != NULL && (model == open->seen || !loop->config.one_sided)) {
        open->lesson[loop->config.features + model] = label;
    }
    return ms_labels_miss(loop, open); /* one fewer is to come */
}

int ms_labels_complain(ms_loop *loop, const ms_open *open)
{
    if (!open->rated) {
        return 0;
    }
    const int64_t code = ms_brain_rate(open->brain, open->request, open->seen, open->tenant, 0.0);
    return code < 0 ? ms_loop_illegal(loop, open->request, code, MS_ERR_LABEL) : 0;
}

int ms_labels_send(ms_loop *loop, ms_open *open, int32_t model)
{
    const double delay_s = loop->config.keeps_delays ? ms_open_delays(open, loop->config.models)[model] : 0.0;
    const double time_s = loop->now_s + delay_s;
    if (time_s <= loop->config.horizon_s && ms_labels_hears(loop, open, model)) {
        open->feedback_s = time_s;
    }
    open->labels_under_way++;
    loop->labels_to_come++;
    return ms_loop_put(loop, time_s, ms_order(MS_LABEL, open->request), (uint64_t)model, MS_DO_LABEL, open, model);
}

int ms_labels_deliver(ms_loop *loop, ms_open *open, int32_t model)
{
    loop->labels_to_come--;
    open->labels_under_way--;
    const int error = ms_labels_give(loop, open, model);
    if (error < 0) {
        if (open->closed && open->labels_under_way == 0) {
            ms_labels_end_lesson(loop, open); /* neither the list of open requests nor the heap leads to it any more */
        }
        return error;
    }
    ms_loop_forget_when_done(loop, open);
    return 0;
}

/* ---- requests that are over at once ------------------------------------------------------------------------ */

int ms_labels_end_at_once(const ms_loop *loop, const ms_open *open)
{
    return loop->fleet.pools == 0 && open->at_once && loop->config.patience.wait.law == MS_WAITS_FOREVER;
}

static void answer_at_once(ms_loop *loop, ms_open *open, int32_t model)
{
    const double cost = open->page->view.known_costs[model * open->page->n + open->i];
    const double energy_j = loop->config.in_usd ? 0.0 : cost;
    loop->paid_j += energy_j;
    ms_open_pay(open, model, energy_j, cost);
    ms_brain_learn_cost(open->brain, model, cost, open->explored);
    open->unlabelled++;
    if (model == open->seen) {
        open->status = MS_COMPLETED;
        open->start_s = open->first_token_s = open->finish_s = loop->now_s;
        open->feedback_s = ms_labels_hears(loop, open, model) ? loop->now_s : open->feedback_s;
    }
}

int ms_labels_answer_at_once(ms_loop *loop, ms_open *open, int32_t first, int32_t last)
{
    const int has_one = first == last;
    for (int32_t m = first; m <= last; m++) {
        if (has_one || ms_brain_can_have(open->brain, m)) {
            answer_at_once(loop, open, m);
        }
    }
    int error = open->status == MS_COMPLETED ? ms_loop_release_client(loop, open) : 0;
    for (int32_t m = first; m <= last && error == 0; m++) {
        if (has_one || ms_brain_can_have(open->brain, m)) {
            error = ms_labels_give(loop, open, m);
        }
    }
    if (error < 0) {
        return error;
    }
    ms_open_put_down(open);
    ms_store_give(&loop->opens, open);
    return 0;
}
