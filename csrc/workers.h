/* The router's own time: a request waits for one of its instance's workers, first in, first out, and is decided when the
 * worker is done. */
#ifndef MS_WORKERS_H
#define MS_WORKERS_H

#include "run.h"

static inline int ms_workers_take_time(const ms_run *run)
{
    return run->config.decision.law != MS_WAITS_FOREVER;
}

/* An attempt comes to the router: MS_DO_DECIDE follows when its decision is due. */
int ms_workers_enter(ms_run *run, ms_open *open);

/* Its decision is due: the worker turns to the next. */
int ms_workers_done(ms_run *run, const ms_open *open);

/* Its client has given up while it waited. */
void ms_workers_leave(ms_run *run, ms_open *open);

#endif
