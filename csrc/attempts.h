/* Attempts: a request is routed, answered at once or sent to servers; its client may have it routed again. */
#ifndef MS_ATTEMPTS_H
#define MS_ATTEMPTS_H

#include "run.h"

/* The next request of the page arrives: it is decided and its copies set off, or it comes to the router's workers.
 * `client` waits for the answer; -1: nobody. */
int ms_attempts_route(ms_run *run, int32_t client);

/* The errand: a worker of the router is done with it. */
int ms_attempts_decide(ms_run *run, ms_open *open);

/* The loads of all models are looked at, where routers see them as they were then. */
void ms_attempts_look(ms_run *run);

/* The i-th of a page is a turn of a session, whose time has come. */
int ms_attempts_route_turn(ms_run *run, ms_page *page, int64_t i);

/* The errands: the client has waited long enough; the pause is over. */
int ms_attempts_give_up(ms_run *run, ms_open *open);
int ms_attempts_try_again(ms_run *run, ms_open *before);

#endif
