#include "labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

static double satisfaction_of(ms_open *open, int32_t model)
{
    return open->at_once ? open->page->satisfied[ms_page_at(open->page, model, open->i)]
                         : ms_open_satisfied(open)[model];
}

/* What the rater says of a copy. */
static double label_of(const ms_run *run, ms_open *open, int32_t model, double satisfied)
{
    if (!run->config.raters_err) {
        return satisfied;
    }
    return open->at_once ? open->page->labels[ms_page_at(open->page, model, open->i)]
                         : ms_open_labels(open, run->config.models, run->config.uniforms)[model];
}

int ms_labels_hears(const ms_run *run, ms_open *open, int32_t model)
{
    if (!open->rated || model != open->seen) {
        return 0;
    }
    return open->at_once ? !open->silent : !isnan(label_of(run, open, model, 0.0));
}

void ms_labels_keep(const ms_run *run, ms_open *open)
{
    const ms_page *page = open->page;
    const int32_t models = run->config.models;
    for (int32_t m = 0; m < models; m++) {
        const int64_t at = ms_page_at(page, m, open->i);
        ms_open_satisfied(open)[m] = page->satisfied[at];
        ms_open_delays(open, models)[m] = page->delay_s != NULL ? page->delay_s[at] : 0.0;
        ms_open_scores(open, models)[m] = open->brain->scores[m];
        ms_open_costs(open, models)[m] = open->brain->costs[m];
        ms_open_facts(open, models)[m] = open->brain->facts[m];
        if (run->config.raters_err) {
            ms_open_labels(open, models, run->config.uniforms)[m] = page->labels[at];
        }
    }
    const int64_t uniforms = run->config.uniforms;
    memcpy(ms_open_uniforms(open, models), open->brain->uniforms, (size_t)uniforms * sizeof(double));
}

int ms_labels_begin_lesson(ms_run *run, ms_open *open)
{
    const int32_t d = run->config.features, models = run->config.models;
    open->lesson = open->at_once ? run->lesson : malloc((size_t)(d + models) * sizeof(double));
    if (open->lesson == NULL) {
        return MS_ERR_MEMORY;
    }
    if (d > 0) {
        const ms_stretch features = ms_page_view_features(&open->page->view, open->i, open->request);
        ms_predictor *predictor = open->brain->predictor;
        const double *x = features.x;
        int64_t stride = features.stride;
        if (predictor != NULL) {
            x = ms_predictor_row(predictor, open->request, x, stride, 1);
            stride = 1;
        }
        if (stride == 1) {
            memcpy(open->lesson, x, (size_t)d * sizeof *x);
        } else {
            for (int32_t j = 0; j < d; j++) {
                open->lesson[j] = x[j * stride];
            }
        }
    }
    for (int32_t m = 0; m < models; m++) {
        open->lesson[d + m] = NAN;
    }
    return 0;
}

void ms_labels_end_lesson(const ms_run *run, ms_open *open)
{
    if (open->lesson != run->lesson) {
        free(open->lesson);
    }
    open->lesson = NULL;
}

/* When the last label is in, the router learns; copies without one are left out. */
int ms_labels_miss(ms_run *run, ms_open *open)
{
    open->unlabelled--;
    if (open->unlabelled > 0 || open->lesson == NULL) {
        return 0;
    }
    int64_t code = 0;
    if (open->lesson_labels > 0) {
        code = ms_brain_learn(open->brain, open->request, open->tenant, open->lesson, open->lesson + run->config.features,
                              open->lesson_labels == 1 ? open->lesson_model : -1);
    }
    ms_labels_end_lesson(run, open);
    return code < 0 ? ms_run_illegal(run, open->request, code, MS_ERR_LABEL) : 0;
}

int ms_labels_give(ms_run *run, ms_open *open, int32_t model)
{
    const double satisfied = satisfaction_of(open, model);
    const double label = label_of(run, open, model, satisfied);
    if (model == open->seen) {
        ms_ledger_rate(&run->instances.delivered[open->tenant], satisfied);
    }
    if (ms_labels_hears(run, open, model)) {
        const int64_t code = ms_brain_rate(open->brain, open->request, model, open->tenant, label);
        if (code < 0) {
            return ms_run_illegal(run, open->request, code, MS_ERR_LABEL);
        }
    }
    if (open->lesson != NULL && (model == open->seen || !run->config.one_sided)) {
        open->lesson[run->config.features + model] = label;
        if (!isnan(label)) {
            open->lesson_labels++;
            open->lesson_model = model;
        }
    }
    return ms_labels_miss(run, open); /* one fewer is to come */
}

int ms_labels_complain(ms_run *run, const ms_open *open)
{
    if (!open->rated) {
        return 0;
    }
    if (open->seen < 0) { /* given up before a model was chosen: no policy is told of none */
        ms_ledger_rate(&open->brain->tracked[open->tenant], 0.0);
        return 0;
    }
    const int64_t code = ms_brain_rate(open->brain, open->request, open->seen, open->tenant, 0.0);
    return code < 0 ? ms_run_illegal(run, open->request, code, MS_ERR_LABEL) : 0;
}

int ms_labels_send(ms_run *run, ms_open *open, int32_t model)
{
    const double delay_s = run->config.keeps_delays ? ms_open_delays(open, run->config.models)[model] : 0.0;
    const double time_s = run->now_s + delay_s;
    if (time_s <= run->config.horizon_s && ms_labels_hears(run, open, model)) {
        open->feedback_s = time_s;
    }
    open->labels_under_way++;
    run->labels_to_come++;
    return ms_run_put(run, time_s, ms_order(MS_LABEL, open->request), (uint64_t)model, MS_DO_LABEL, open, model);
}

int ms_labels_deliver(ms_run *run, ms_open *open, int32_t model)
{
    run->labels_to_come--;
    open->labels_under_way--;
    const int error = ms_labels_give(run, open, model);
    if (error != 0) {
        ms_labels_end_lesson(run, open); /* neither the list of open requests nor the heap may lead to it any more */
        return error;
    }
    ms_run_forget_when_done(run, open);
    return 0;
}
