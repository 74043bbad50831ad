/* A page of requests with the records they leave, and a request between its decision and its record. */
#ifndef MS_OPEN_H
#define MS_OPEN_H

#include <stddef.h>
#include <stdint.h>

#include "brain.h"
#include "job.h"
#include "store.h"

enum ms_status { MS_NOT_SENT = -1, MS_COMPLETED, MS_REJECTED, MS_LOST, MS_IN_FLIGHT, MS_TIMED_OUT, MS_TOO_LONG };

/* The columns of a record: X(type, name, value, is_late), the value by `self`, an ms_open that is over, its `page`, the
 * place `answer` of what the user saw in columns by model, below 0 where no model was chosen, and whether it is `completed`;
 * is_late: whether that is another than it was when the first attempt was sent to one model, if it was then taken for
 * completed. A column more is a line more. */
#define MS_RECORD_COLUMNS(X) \
    X(double, arrival_s, self->arrival_s, 0) \
    X(uint8_t, explored, self->explored || self->explored_before, 0) \
    X(int8_t, status, self->status, 1) \
    X(int32_t, model, self->seen, 0) \
    X(int32_t, replica, self->replica, 1) \
    X(int32_t, output_tokens, answer >= 0 && page->output_tokens != NULL ? page->output_tokens[answer] : 0, 0) \
    X(double, queue, self->queue, 0) \
    X(double, score, self->score, 0) \
    X(double, satisfied, completed ? page->satisfied[answer] : NAN, !completed) \
    X(double, feedback_s, completed ? self->feedback_s : NAN, 1) \
    X(double, start_s, self->start_s, 1) \
    X(double, first_token_s, self->first_token_s, 1) \
    X(double, finish_s, self->finish_s, 1) \
    X(int32_t, preemptions, self->preemptions, self->preemptions != 0) \
    X(int32_t, cached_prompt_tokens, self->cached_prompt_tokens, self->cached_prompt_tokens != 0) \
    X(int64_t, cached_recompute_tokens, self->cached_recompute_tokens, self->cached_recompute_tokens != 0) \
    X(int32_t, attempts, self->attempt + 1, 0) \
    X(double, energy_j, self->energy_j, 1) \
    X(double, cost, self->cost, 1) \
    X(double, exploration_cost, self->exploration_cost, self->exploration_cost != 0.0)

/* Columns [n] of records, which the caller owns. */
typedef struct ms_record_columns {
#define MS_COLUMN(type, name, value, is_late) type *name;
    MS_RECORD_COLUMNS(MS_COLUMN)
#undef MS_COLUMN
} ms_record_columns;

/* A record by itself: a large fleet ends requests in an order of its own, and two lines of the processor's cache are sooner had
 * than one of each column. */
typedef struct ms_record {
#define MS_VALUE(type, name, value, is_late) type name;
    MS_RECORD_COLUMNS(MS_VALUE)
#undef MS_VALUE
} ms_record;

_Static_assert(sizeof(ms_record) <= 128, "a record is two lines");

/* Turns of sessions (turns.h). Who waits for an answer is in the page of the request that it is the answer to. */
typedef struct ms_page_turns {
    const int32_t *roots; /* [n_roots] rows that come at times of their own; NULL: all of the page do */
    int64_t n_roots;
    const int32_t *first_child; /* [n] the first that waits for each answer; -1: none */
    int32_t *next_child;        /* [n] the next that waits for the same one */
    const double *wait_s;       /* [n] from that answer on; not before its own time, arrival_s */
    int32_t *model;             /* [n] whose answer it follows; -1 before that is there */
    const int64_t *session;     /* [n] */
    const int32_t *new_tokens;  /* [n] what a turn adds to the prompt and the answer before; NULL: prompts are given */
} ms_page_turns;

/* Requests first ... first + n - 1. Columns by model are as those of the view (brain.h). */
typedef struct ms_page {
    int64_t first;
    int64_t n;
    int64_t open; /* records that do not stand yet */
    ms_page_view view;
    const double *arrival_s; /* NULL in a closed loop */
    const int32_t *tenant;
    const int32_t *instance; /* of the router, whom the request comes to; NULL: there is one */
    int32_t *prompt_tokens; /* of a later turn written when it is known */
    const int32_t *output_tokens; /* NULL without servers, where the caller draws that of the record afterwards */
    const int32_t *max_new_tokens; /* [n] limits of answers that clients send; NULL: none, or as long as answers are */
    const double *satisfied;
    const double *labels;  /* what raters say of it, where they err */
    const double *feedback_uniform; /* NULL: feedback is certain */
    const double *delay_s; /* NULL: labels are immediate */
    const double *price_factor; /* by model, multiplies prices of APIs; NULL: they are 1 */
    ms_page_turns turns;
    const int64_t *path_start; /* [n + 1] what prompts are made of (job.h); NULL: they share nothing */
    ms_node_of_path *path;     /* [path_start[n]] the last end of a later turn is written when it is known */
    ms_record_columns record;
    int32_t in_rows; /* its columns are those of an array of ms_record */
} ms_page;

/* Its records are rows [n], which the caller owns. */
void ms_page_lay_rows(ms_page *self, ms_record *rows);

/* Where the i-th value of a column of records is, each of so many bytes. */
static inline int64_t ms_page_record_at(const ms_page *self, int64_t i, size_t bytes)
{
    return self->in_rows ? i * (int64_t)(sizeof(ms_record) / bytes) : i;
}

/* Where the value of a model is in columns by model, and how far that of the next model from it. */
static inline int64_t ms_page_step(const ms_page *self)
{
    return self->view.models_in_row > 0 ? 1 : self->n;
}

static inline int64_t ms_page_at(const ms_page *self, int64_t model, int64_t i)
{
    return self->view.models_in_row > 0 ? i * self->view.models_in_row + model : model * self->n + i;
}

/* The longest answer of a model that the i-th request may become, as servers are told. */
static inline int32_t ms_page_max_new(const ms_page *self, int64_t model, int64_t i)
{
    return self->max_new_tokens != NULL ? self->max_new_tokens[i] : self->output_tokens[ms_page_at(self, model, i)];
}

enum { MS_LINE = 8 }; /* values of a column that share a line of the cache */

/* A line of each column that a decision, an answer at once and a record of models 0 ... models - 1 touch, from the i-th
 * request on, is on its way into the cache: so many columns at once are beyond what processors do by themselves. */
void ms_page_prefetch(const ms_page *self, int32_t models, int64_t i);

/* How many of its requests come at times of their own, and the k-th of these. */
static inline int64_t ms_page_coming(const ms_page *self)
{
    return self->turns.roots != NULL ? self->turns.n_roots : self->n;
}

static inline int64_t ms_page_comes(const ms_page *self, int64_t k)
{
    return self->turns.roots != NULL ? self->turns.roots[k] : k;
}

/* Of a page with turns, asks early for what is read of a row: when it is decided, when it is then sent, and when its
 * answer is there, which the next row often waits for. */
void ms_page_expect_decision(const ms_page *self, int64_t i, int32_t models, int32_t features, int32_t uniforms);
void ms_page_expect_answer(const ms_page *self, int64_t i, int32_t models);
void ms_page_expect_next_turn(const ms_page *self, int64_t i, int32_t models);

/* One attempt of a request; the last one writes the record. */
typedef struct ms_open {
    int64_t request;
    int64_t i; /* its place in the page */
    ms_page *page;
    ms_brain *brain;    /* the router's instance that decided */
    struct ms_open *previous, *next; /* all open requests, oldest first */
    int64_t plan;
    int32_t tenant;
    int32_t seen;       /* the model whose answer the user gets; -1 before it is chosen */
    int32_t attempt;    /* 0 is the first */
    struct ms_open *heir; /* the next attempt, if there is one */
    struct ms_open *before, *behind; /* in the queue of the router's workers */
    int32_t copies;     /* under way; one more for what else keeps the record open */
    ms_job *jobs;       /* these copies, the last placed first */
    int32_t unlabelled; /* copies whose label is still to come */
    int32_t labels_under_way;
    int32_t errands;    /* in the heap, to give up or to ask again */
    int32_t stage;      /* of a chain */
    int32_t client;     /* who waits for the answer; -1 for nobody */
    int32_t replica;
    int32_t preemptions;
    int32_t cached_prompt_tokens;
    int64_t cached_recompute_tokens;
    int8_t status;
    uint8_t explored;
    uint8_t rated;
    uint8_t at_once;    /* labels are in before the next request is routed */
    uint8_t silent;     /* at once: the user says nothing of the answer that they see */
    uint8_t explored_before; /* by an earlier attempt */
    uint8_t gone;       /* its client has given up */
    uint8_t answered;   /* its client does not wait any more */
    uint8_t foreseen;   /* what of its record was known when it was sent stands already */
    uint8_t closed;     /* its record stands */
    uint8_t waits;      /* for one of the router's workers */
    double arrival_s;
    double decided_s;
    double queue;
    double score;
    double feedback_s;
    double start_s;
    double first_token_s;
    double finish_s;
    double energy_j;
    double cost;
    double exploration_cost;
    double *lesson;     /* features [d] and labels [models], where the predictor will learn; else NULL */
    int32_t lesson_labels; /* that it has */
    int32_t lesson_model;  /* of the last of them */
    double kept[];      /* what must outlive the page */
} ms_open;

/* What is kept: satisfaction and delays where labels come late, what a chain decides by, and labels where
 * raters err. */
static inline size_t ms_open_bytes(int32_t models, int32_t uniforms, int raters_err)
{
    return sizeof(ms_open) + ((size_t)models * (raters_err ? 6 : 5) + (size_t)uniforms) * sizeof(double);
}

static inline double *ms_open_satisfied(ms_open *self)
{
    return self->kept;
}

static inline double *ms_open_delays(ms_open *self, int32_t models)
{
    return self->kept + models;
}

static inline double *ms_open_scores(ms_open *self, int32_t models)
{
    return self->kept + 2 * models;
}

static inline double *ms_open_costs(ms_open *self, int32_t models)
{
    return self->kept + 3 * models;
}

static inline double *ms_open_facts(ms_open *self, int32_t models)
{
    return self->kept + 4 * models;
}

static inline double *ms_open_uniforms(ms_open *self, int32_t models)
{
    return self->kept + 5 * models;
}

static inline double *ms_open_labels(ms_open *self, int32_t models, int32_t uniforms)
{
    return self->kept + 5 * models + uniforms;
}

/* A copy leaves the list of those under way. */
void ms_open_drop(ms_open *self, ms_job *job);

/* What an attempt without an answer has cost goes to the next. */
void ms_open_pass_on(ms_open *self);

/* Asks early for what that writes: columns of its page, and who stands beside it in the list of all. */
void ms_open_expect_end(const void *open);

/* An attempt is about to be sent: writes what of its record is known by now. Requests are sent in the order of their rows,
 * so that rows written one after the other share lines of the processor's cache; they end in another order. */
void ms_open_foresee(ms_open *self);

/* Writes the record, or what is left of it. */
void ms_open_put_down(ms_open *self);

/* Takes over what has happened so far to the copy that the user sees. */
void ms_open_saw(ms_open *self, const ms_job *job);

/* Charges a copy that is complete or lost. */
void ms_open_pay(ms_open *self, int32_t model, double energy_j, double cost);

#endif
