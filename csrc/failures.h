/* Failures of replicas, planned or at random: what runs there begins again elsewhere, or is lost. */
#ifndef MS_FAILURES_H
#define MS_FAILURES_H

#include "run.h"

/* Failures without anything else happening, after which a run stops: it would not end. */
enum { MS_MOST_FAILURES_IN_VAIN = 100000 };

/* Puts the next failure of a breakdown into the heap. */
int ms_failures_await(ms_run *run, ms_breakdown *breakdown);

/* The errands: a replica goes down, and is mended. */
int ms_failures_begin(ms_run *run, ms_breakdown *breakdown);
int ms_failures_end(ms_run *run, ms_breakdown *breakdown);

#endif
