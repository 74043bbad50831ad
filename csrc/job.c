#include "job.h"

#include <math.h>
#include <stddef.h>

#include "store.h"

/* Copied and then filled in where it stays: a struct built on the stack would be read back before its stores are done. */
static const ms_job UNPLACED = {.replica = -1,
                                .pool = -1,
                                .server = -1,
                                .source = -1,
                                .destination = -1,
                                .deadline_s = INFINITY,
                                .answer_node = -1,
                                .session = -1,
                                .start_s = NAN,
                                .first_token_s = NAN,
                                .finish_s = NAN};

void ms_job_init(ms_job *self, int64_t request, int32_t model, int32_t prompt_tokens, int32_t output_tokens)
{
    ms_store_begin(self, &UNPLACED, sizeof *self);
    self->request = request;
    self->model = model;
    self->prompt_tokens = prompt_tokens;
    self->output_tokens = self->max_new_tokens = output_tokens;
}

void ms_job_cut_off(ms_job *self, double t_s)
{
    if (self->first_token_s > t_s) {
        self->first_token_s = NAN;
    }
    self->finish_s = NAN;
    self->cached_prompt_tokens = 0; /* providers charge for answers */
}

/* ---- by urgency ------------------------------------------------------------------------------------------ */

int ms_job_precedes(int32_t order, const ms_job *a, const ms_job *b)
{
    if (order == MS_ORDER_EDF && a->deadline_s != b->deadline_s) {
        return a->deadline_s < b->deadline_s;
    }
    if (order == MS_ORDER_PRIORITY && a->priority != b->priority) {
        return a->priority < b->priority;
    }
    if (order == MS_ORDER_PRIORITY && a->arrival_s != b->arrival_s) {
        return a->arrival_s < b->arrival_s;
    }
    return a->request != b->request ? a->request < b->request : a->attempt < b->attempt;
}

/* Of two heaps one, either of which may be empty. The first child's `previous` is its parent. */
static ms_job *meld(int32_t order, ms_job *a, ms_job *b)
{
    if (a == NULL || b == NULL) {
        return a == NULL ? b : a;
    }
    ms_job *first = ms_job_precedes(order, b, a) ? b : a, *second = first == a ? b : a;
    second->previous = first;
    second->next = first->child;
    if (first->child != NULL) {
        first->child->previous = second;
    }
    first->child = second;
    first->next = first->previous = NULL;
    return first;
}

/* Siblings become one heap: in pairs from the first on, then these from the last on. */
static ms_job *meld_all(int32_t order, ms_job *first)
{
    ms_job *pairs = NULL;
    while (first != NULL) {
        ms_job *second = first->next, *rest = second != NULL ? second->next : NULL;
        ms_job *pair = meld(order, first, second);
        pair->next = pairs;
        pairs = pair;
        first = rest;
    }
    ms_job *heap = NULL;
    while (pairs != NULL) {
        ms_job *pair = pairs;
        pairs = pair->next;
        pair->next = pair->previous = NULL;
        heap = meld(order, heap, pair);
    }
    return heap;
}

static void insert(ms_queue *self, ms_job *job)
{
    job->next = job->previous = job->child = NULL;
    job->place = MS_QUEUED;
    self->head = meld(self->order, self->head, job);
    self->length++;
}

static void take_out(ms_queue *self, ms_job *job)
{
    ms_job *children = meld_all(self->order, job->child);
    if (self->head == job) {
        self->head = children;
    } else {
        *(job->previous->child == job ? &job->previous->child : &job->previous->next) = job->next;
        if (job->next != NULL) {
            job->next->previous = job->previous;
        }
        self->head = meld(self->order, self->head, children);
    }
    job->child = NULL;
}

/* ---- any queue ------------------------------------------------------------------------------------------- */

void ms_queue_push_tail(ms_queue *self, ms_job *job)
{
    if (self->order != MS_ORDER_FCFS) {
        insert(self, job);
        return;
    }
    job->next = NULL;
    job->previous = self->tail;
    job->place = MS_QUEUED;
    if (self->tail != NULL) {
        self->tail->next = job;
    } else {
        self->head = job;
    }
    self->tail = job;
    self->length++;
}

void ms_queue_push_head(ms_queue *self, ms_job *job)
{
    if (self->order != MS_ORDER_FCFS) {
        insert(self, job);
        return;
    }
    job->next = self->head;
    job->previous = NULL;
    job->place = MS_QUEUED;
    if (self->head != NULL) {
        self->head->previous = job;
    } else {
        self->tail = job;
    }
    self->head = job;
    self->length++;
}

void ms_queue_push_before(ms_queue *self, ms_job *job, ms_job *other)
{
    if (other == NULL) {
        ms_queue_push_tail(self, job);
        return;
    }
    if (other->previous == NULL) {
        ms_queue_push_head(self, job);
        return;
    }
    job->next = other;
    job->previous = other->previous;
    job->place = MS_QUEUED;
    other->previous->next = job;
    other->previous = job;
    self->length++;
}

ms_job *ms_queue_pop(ms_queue *self)
{
    ms_job *job = self->head;
    if (job != NULL) {
        ms_queue_remove(self, job);
    }
    return job;
}

static void unlink_from_list(ms_queue *self, ms_job *job)
{
    if (job->previous != NULL) {
        job->previous->next = job->next;
    } else {
        self->head = job->next;
    }
    if (job->next != NULL) {
        job->next->previous = job->previous;
    } else {
        self->tail = job->previous;
    }
}

void ms_queue_remove(ms_queue *self, ms_job *job)
{
    if (self->order != MS_ORDER_FCFS) {
        take_out(self, job);
    } else {
        unlink_from_list(self, job);
    }
    job->next = job->previous = NULL;
    job->place = MS_NOWHERE;
    self->length--;
}

int ms_queue_holds(const ms_queue *self, const ms_job *job)
{
    if (job->place != MS_QUEUED) {
        return 0;
    }
    while (job->previous != NULL) { /* before it in a list; a sibling or the parent in a heap */
        job = job->previous;
    }
    return self->head == job;
}
