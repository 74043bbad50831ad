#include "job.h"

#include "check.h"
#include "jobs.h"

static void a_new_job_has_not_started(void)
{
    const ms_job job = ms_job_new(70001, 2, 30, 40);
    CHECK(job.request == 70001 && job.model == 2);
    CHECK(job.prompt_tokens == 30 && job.output_tokens == 40 && job.generated_tokens == 0);
    CHECK(job.preemptions == 0 && job.attempt == 0 && job.replica == -1);
    CHECK(isnan(job.start_s) && isnan(job.first_token_s) && isnan(job.finish_s));
    CHECK(job.energy_j == 0.0 && job.usage_s == 0.0);
    CHECK(job.next == NULL && job.owner == NULL);
    CHECK(job.path == NULL && job.path_length == 0 && job.answer_node == -1 && job.cached_prompt_tokens == 0);
    CHECK(job.pool == -1 && job.server == -1 && job.source == -1 && job.destination == -1 && job.session == -1);
    CHECK(job.deadline_s == INFINITY && job.place == MS_NOWHERE && !job.unseen && !job.aborted && !job.transferred);
}

static void a_queue_is_first_in_first_out(void)
{
    ms_queue queue = {0};
    ms_job jobs[5];
    for (int i = 0; i < 5; i++) {
        jobs[i] = ms_job_new(i, 0, 1, 1);
        ms_queue_push_tail(&queue, &jobs[i]);
        CHECK(queue.length == i + 1);
    }
    for (int i = 0; i < 5; i++) {
        CHECK(ms_queue_pop(&queue) == &jobs[i]);
        CHECK(jobs[i].next == NULL);
        CHECK(queue.length == 4 - i);
    }
    CHECK(ms_queue_pop(&queue) == NULL);
    CHECK(queue.length == 0 && queue.head == NULL && queue.tail == NULL);
}

static void a_preempted_job_returns_to_the_head(void)
{
    ms_queue queue = {0};
    ms_job a = ms_job_new(0, 0, 1, 1), b = ms_job_new(1, 0, 1, 1), c = ms_job_new(2, 0, 1, 1);
    ms_queue_push_head(&queue, &b); /* into an empty queue: it is the tail as well */
    ms_queue_push_tail(&queue, &c);
    ms_queue_push_head(&queue, &a);
    CHECK(queue.length == 3);
    CHECK(ms_queue_pop(&queue) == &a);
    CHECK(ms_queue_pop(&queue) == &b);
    CHECK(ms_queue_pop(&queue) == &c);
    CHECK(ms_queue_pop(&queue) == NULL);
}

/* Against an array of which both ends move. */
static void a_queue_keeps_order_under_any_use(void)
{
    enum { STEPS = 20000 };
    static ms_job jobs[STEPS];
    static int64_t model[2 * STEPS + 1];
    int64_t head = STEPS, tail = STEPS;
    ms_queue queue = {0};
    lcg chance = {9};
    for (int i = 0; i < STEPS; i++) {
        jobs[i] = ms_job_new(i, 0, 1, 1);
        switch (lcg_between(&chance, 0, 3)) {
        case 0:
            ms_queue_push_head(&queue, &jobs[i]);
            model[--head] = i;
            break;
        case 1:
            ms_queue_push_tail(&queue, &jobs[i]);
            model[tail++] = i;
            break;
        default: {
            const ms_job *job = ms_queue_pop(&queue);
            CHECK(head == tail ? job == NULL : job != NULL && job->request == model[head]);
            head += head < tail;
        }
        }
        CHECK(queue.length == tail - head);
    }
}

static int goes_before(int32_t order, const ms_job *a, const ms_job *b)
{
    const double keys[][2] = {{order == MS_ORDER_EDF ? a->deadline_s : a->priority, order == MS_ORDER_EDF ? b->deadline_s : b->priority},
                              {order == MS_ORDER_EDF ? 0.0 : a->arrival_s, order == MS_ORDER_EDF ? 0.0 : b->arrival_s},
                              {(double)a->request, (double)b->request}};
    int k = 0;
    while (k < 2 && keys[k][0] == keys[k][1]) {
        k++;
    }
    return keys[k][0] < keys[k][1];
}

/* Against a search among all that are there; some leave from anywhere. */
static void a_queue_by_urgency_gives_the_most_urgent(void)
{
    enum { STEPS = 3000 };
    static ms_job jobs[STEPS];
    static ms_job *there[STEPS];
    for (int32_t order = MS_ORDER_PRIORITY; order <= MS_ORDER_EDF; order++) {
        ms_queue queue = {.order = order};
        lcg chance = {(uint64_t)order};
        int64_t n = 0;
        for (int i = 0; i < STEPS; i++) {
            jobs[i] = ms_job_new(i, 0, 1, 1);
            jobs[i].priority = (int32_t)lcg_between(&chance, 0, 3);
            jobs[i].arrival_s = (double)lcg_between(&chance, 0, 3);
            jobs[i].deadline_s = lcg_between(&chance, 0, 3) ? (double)lcg_between(&chance, 0, 9) : INFINITY;
            lcg_between(&chance, 0, 1) ? ms_queue_push_tail(&queue, &jobs[i]) : ms_queue_push_head(&queue, &jobs[i]);
            there[n++] = &jobs[i];
            for (int64_t gone = lcg_between(&chance, 0, i % 100 < 50 ? 1 : 3); gone > 0 && n > 0; gone--) {
                int64_t at = lcg_between(&chance, 0, n - 1);
                if (lcg_between(&chance, 0, 2) > 0) {
                    for (int64_t k = at = 0; k < n; k++) {
                        at = goes_before(order, there[k], there[at]) ? k : at;
                    }
                    CHECK(ms_queue_pop(&queue) == there[at]);
                } else {
                    ms_queue_remove(&queue, there[at]);
                }
                CHECK(there[at]->place == MS_NOWHERE && there[at]->child == NULL && there[at]->next == NULL);
                there[at] = there[--n];
            }
            CHECK(queue.length == n && (queue.head == NULL) == (n == 0));
        }
    }
}

/* What has come stays, also at that very instant; what was to come later does not. */
static void what_was_promised_for_later_is_cut_off(void)
{
    const double cut_s[] = {1.5, 2.0, 3.0};
    for (int k = 0; k < 3; k++) {
        ms_job job = ms_job_new(0, 0, 1, 1);
        job.start_s = 1.0;
        job.first_token_s = 2.0;
        job.finish_s = 4.0;
        ms_job_cut_off(&job, cut_s[k]);
        CHECK(job.start_s == 1.0 && isnan(job.finish_s));
        CHECK(k == 0 ? isnan(job.first_token_s) : job.first_token_s == 2.0);
    }
}

/* Whatever the order of its queue; elsewhere, or in none, it is not held. */
static void a_queue_knows_whom_it_holds(void)
{
    for (int32_t order = MS_ORDER_FCFS; order <= MS_ORDER_EDF; order++) {
        ms_queue queue = {.order = order}, other = {.order = order};
        ms_job jobs[9];
        for (int i = 0; i < 9; i++) {
            jobs[i] = ms_job_new(i, 0, 1, 1);
            jobs[i].priority = (i * 4) % 9;
            jobs[i].deadline_s = (double)((i * 5) % 9);
            CHECK(!ms_queue_holds(&queue, &jobs[i]));
            ms_queue_push_tail(i % 3 == 0 ? &other : &queue, &jobs[i]);
        }
        ms_queue_pop(&queue);
        ms_queue_remove(&queue, jobs[4].place == MS_QUEUED ? &jobs[4] : &jobs[5]);
        for (int i = 0; i < 9; i++) {
            CHECK(ms_queue_holds(&other, &jobs[i]) == (i % 3 == 0));
            CHECK(ms_queue_holds(&queue, &jobs[i]) == (i % 3 != 0 && jobs[i].place == MS_QUEUED));
        }
    }
}

/* Before another, wherever that stands; before nobody it is the last. */
static void a_job_is_put_before_another(void)
{
    ms_queue queue = {0};
    ms_job jobs[5];
    const int order[] = {3, 0, 4, 1, 2};
    for (int i = 0; i < 5; i++) {
        jobs[i] = ms_job_new(i, 0, 1, 1);
    }
    ms_queue_push_before(&queue, &jobs[0], NULL);
    ms_queue_push_before(&queue, &jobs[1], NULL);
    ms_queue_push_before(&queue, &jobs[2], NULL);
    ms_queue_push_before(&queue, &jobs[3], &jobs[0]);
    ms_queue_push_before(&queue, &jobs[4], &jobs[1]);
    CHECK(queue.length == 5 && queue.head == &jobs[3] && queue.tail == &jobs[2]);
    const ms_job *job = queue.head, *previous = NULL;
    for (int i = 0; i < 5; i++) {
        CHECK(job == &jobs[order[i]] && job->previous == previous && job->place == MS_QUEUED);
        previous = job;
        job = job->next;
    }
    CHECK(job == NULL);
    ms_queue_remove(&queue, &jobs[4]);
    CHECK(jobs[0].next == &jobs[1] && jobs[1].previous == &jobs[0] && queue.length == 4);
}

/* Cut off before its first token, or after: that stays, and nothing else of the answer. */
static void what_is_cut_off_has_no_answer(void)
{
    for (int has_begun = 0; has_begun < 2; has_begun++) {
        ms_job job = ms_job_new(0, 0, 30, 4);
        job.start_s = 1.0;
        job.first_token_s = 2.0;
        job.finish_s = 5.0;
        job.cached_prompt_tokens = 16;
        ms_job_cut_off(&job, has_begun ? 2.0 : 1.5);
        CHECK(job.start_s == 1.0 && isnan(job.finish_s) && job.cached_prompt_tokens == 0);
        CHECK(has_begun ? job.first_token_s == 2.0 : isnan(job.first_token_s));
    }
}

/* Of equals the earlier request goes first, and of one request the earlier attempt. */
static void attempts_of_one_request_go_in_turn(void)
{
    ms_job first = ms_job_new(7, 0, 1, 1), second = ms_job_new(7, 0, 1, 1), other = ms_job_new(8, 0, 1, 1);
    second.attempt = 1;
    for (int32_t order = MS_ORDER_FCFS; order <= MS_ORDER_EDF; order++) {
        CHECK(ms_job_precedes(order, &first, &second) && !ms_job_precedes(order, &second, &first));
        CHECK(ms_job_precedes(order, &second, &other) && !ms_job_precedes(order, &other, &second));
    }
}

int main(void)
{
    RUN(a_queue_knows_whom_it_holds);
    RUN(what_was_promised_for_later_is_cut_off);
    RUN(a_new_job_has_not_started);
    RUN(a_queue_is_first_in_first_out);
    RUN(a_preempted_job_returns_to_the_head);
    RUN(a_queue_keeps_order_under_any_use);
    RUN(a_queue_by_urgency_gives_the_most_urgent);
    RUN(a_job_is_put_before_another);
    RUN(what_is_cut_off_has_no_answer);
    RUN(attempts_of_one_request_go_in_turn);
    return report();
}
