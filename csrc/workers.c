#include "workers.h"

#include "error.h"

static ms_desk *desk_of(const ms_run *run, const ms_open *open)
{
    return &run->desks[open->brain - run->instances.brain];
}

static int begin(ms_run *run, ms_desk *desk, ms_open *open)
{
    const double takes_s = ms_wait_s(&run->config.decision, open->request, open->attempt);
    desk->busy++;
    ms_run_work(run, 1);
    run->router_begun++;
    run->router_busy_s += takes_s;
    return ms_run_put(run, run->now_s + takes_s, ms_order(MS_ARRIVES, open->request), 1 + (uint64_t)open->attempt,
                      MS_DO_DECIDE, open, 0);
}

int ms_workers_enter(ms_run *run, ms_open *open)
{
    ms_desk *desk = desk_of(run, open);
    const int32_t workers = run->config.router_workers;
    open->decided_s = run->now_s; /* until it is decided: since when it waits */
    if (workers == 0 || desk->busy < workers) {
        return begin(run, desk, open);
    }
    open->waits = 1;
    open->behind = NULL;
    open->before = desk->last;
    if (desk->last != NULL) {
        desk->last->behind = open;
    } else {
        desk->first = open;
    }
    desk->last = open;
    return 0;
}

void ms_workers_leave(ms_run *run, ms_open *open)
{
    ms_desk *desk = desk_of(run, open);
    if (open->before != NULL) {
        open->before->behind = open->behind;
    } else {
        desk->first = open->behind;
    }
    if (open->behind != NULL) {
        open->behind->before = open->before;
    } else {
        desk->last = open->before;
    }
    open->waits = 0;
}

int ms_workers_done(ms_run *run, const ms_open *open)
{
    ms_desk *desk = desk_of(run, open);
    desk->busy--;
    ms_run_work(run, -1);
    ms_open *next = desk->first;
    if (next == NULL) {
        return 0;
    }
    ms_workers_leave(run, next);
    run->router_wait_s += run->now_s - next->decided_s;
    return begin(run, desk, next);
}
