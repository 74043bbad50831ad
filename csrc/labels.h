/* What users say of answers: when it arrives, what it teaches, and what they get wrong.
 *
 * A label is for one copy. It moves the virtual queue if the user saw the copy, and is part of the lesson
 * if the predictor is to learn from the request. Where raters err, a label is not the satisfaction: the
 * queue of what was delivered moves by the satisfaction, all that the router knows by the label. */
#ifndef MS_LABELS_H
#define MS_LABELS_H

#include "run.h"

/* Keeps what must outlive the page: where labels come late, and for chains. */
void ms_labels_keep(const ms_run *run, ms_open *open);

/* The predictor will take a step on this request when its labels are in. */
int ms_labels_begin_lesson(ms_run *run, ms_open *open);
void ms_labels_end_lesson(const ms_run *run, ms_open *open);

/* Whether the router hears what the user says of a copy: the one they saw, if they say anything. */
int ms_labels_hears(const ms_run *run, ms_open *open, int32_t model);

/* The label of a copy is in (unrated requests have one too, which only the simulator sees). */
int ms_labels_give(ms_run *run, ms_open *open, int32_t model);

/* A user who had no answer says that this did not satisfy, if the request is rated. */
int ms_labels_complain(ms_run *run, const ms_open *open);

/* A copy has no label: it was turned away, or is lost. */
int ms_labels_miss(ms_run *run, ms_open *open);

/* The label of a complete copy sets off, and arrives. */
int ms_labels_send(ms_run *run, ms_open *open, int32_t model);
int ms_labels_deliver(ms_run *run, ms_open *open, int32_t model);

#endif
