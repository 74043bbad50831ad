/* The event loop: a cluster of LLM servers behind a router, from arrival to record.
 *
 * What happens to a request, in order:
 *   route      the router decides; one copy, or one for every model
 *   place      each copy goes to a replica of its model, or is turned away
 *   give up    its client has waited long enough (attempts.h)
 *   finished   a copy is complete; its cost is known; its label sets off
 *   label      the virtual queue moves; when all labels of a lesson are in, the predictor learns
 * The record is put down when no copy is under way any more. At one instant the order is that of
 * calendar.h. Requests come in pages, whose memory belongs to the caller: a page may go when its `open` is 0. */
#ifndef MS_LOOP_H
#define MS_LOOP_H

#include "run.h"

enum ms_loop_status {
    MS_LOOP_PAUSED,     /* so many events were handled: look for signals and come back */
    MS_LOOP_NEEDS_PAGE, /* ms_loop_turn_page, or ms_loop_no_more */
    MS_LOOP_OVER        /* ms_loop_cut, if there is a horizon; then read the outcome */
};

/* After policy, predictor and breakdowns are set: the first failures, clients and the first
 * reconciliation are put into the heap. */
int ms_loop_begin(ms_run *run);

void ms_loop_turn_page(ms_run *run, ms_page *page);
void ms_loop_no_more(ms_run *run);

/* Handles events until one of ms_loop_status, or an error. */
int ms_loop_run(ms_run *run, int64_t budget);

/* At the horizon: what is under way is charged for what it used, and recorded as in flight. */
void ms_loop_cut(ms_run *run);

#endif
