#include "instant.h"

#include "labels.h"

int ms_instant_is(const ms_loop *loop, const ms_open *open)
{
    return loop->fleet.pools == 0 && open->at_once && loop->config.patience.wait.law == MS_WAITS_FOREVER;
}

static void answer(ms_loop *loop, ms_open *open, int32_t model)
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
        open->feedback_s = open->rated ? loop->now_s : open->feedback_s;
    }
}

int ms_instant_answer(ms_loop *loop, ms_open *open, int32_t first, int32_t last)
{
    const int has_one = first == last;
    for (int32_t m = first; m <= last; m++) {
        if (has_one || ms_brain_can_have(open->brain, m)) {
            answer(loop, open, m);
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
