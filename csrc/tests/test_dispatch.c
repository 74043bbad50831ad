#include "bindings.h"
#include "check.h"
#include "jobs.h"
#include "looks.h"
#include "prompt.h"
#include "texts.h"
#include "ties.h"

static uint32_t state = 1;

static int32_t below(int32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (int32_t)((state >> 8) % (uint32_t)n);
}

static void ties_against_looking_at_all(void)
{
    enum { MOST = 37 };
    for (int32_t players = 1; players <= MOST; players++) {
        ms_ties ties;
        double values[MOST];
        CHECK(ms_ties_init(&ties, players) == 0);
        CHECK(ms_ties_least(&ties) == INFINITY);
        for (int32_t i = 0; i < players; i++) {
            values[i] = INFINITY;
        }
        for (int turn = 0; turn < 300; turn++) {
            const int32_t player = below(players);
            values[player] = below(5) == 0 ? INFINITY : (double)below(4);
            if (turn % 50 == 0) {
                ms_ties_fill(&ties, values);
            } else {
                ms_ties_set(&ties, player, values[player]);
            }
            double least = INFINITY;
            for (int32_t i = 0; i < players; i++) {
                least = values[i] < least ? values[i] : least;
            }
            int32_t k = 0;
            for (int32_t i = 0; i < players; i++) {
                if (values[i] == least) {
                    CHECK(ms_ties_pick(&ties, k++) == i);
                }
            }
            CHECK(ms_ties_least(&ties) == least && (least == INFINITY || ms_ties_count(&ties) == k));
            CHECK(ms_ties_value(&ties, player) == values[player]);
        }
        ms_ties_free(&ties);
    }
}

static void bindings_expire_in_order_of_use(void)
{
    ms_bindings bindings;
    ms_bindings_init(&bindings);
    CHECK(ms_bindings_find(&bindings, 7) == -1);
    for (int64_t session = 0; session < 1000; session++) {
        CHECK(ms_bindings_bind(&bindings, session, (int32_t)(session % 9), (double)session) == 0);
    }
    CHECK(ms_bindings_bind(&bindings, 10, 3, 1000.0) == 0);
    ms_bindings_expire(&bindings, 500.0);
    CHECK(bindings.count == 501);
    CHECK(ms_bindings_find(&bindings, 10) == 3 && ms_bindings_find(&bindings, 499) == -1);
    CHECK(ms_bindings_find(&bindings, 500) == 500 % 9);
    ms_bindings_expire(&bindings, INFINITY);
    CHECK(bindings.count == 0 && bindings.oldest == NULL && ms_bindings_find(&bindings, 10) == -1);
    ms_bindings_free(&bindings);
}

static void looks_are_due_once_at_each_multiple(void)
{
    ms_looks looks;
    CHECK(ms_looks_init(&looks, 0.1, 3) == 0);
    CHECK(!ms_looks_due(&looks, 0.05) && ms_looks_due(&looks, 0.1) && !ms_looks_due(&looks, 0.1999));
    CHECK(ms_looks_due(&looks, 7.25) && looks.index == 72 && ms_looks_s(&looks) <= 7.25);
    CHECK(!ms_looks_due(&looks, INFINITY));
    for (int64_t k = 73; k < 5000; k++) { /* whatever the rounding, a look is never in the future */
        CHECK(ms_looks_due(&looks, (double)k * 0.1) && ms_looks_s(&looks) <= (double)k * 0.1);
    }
    ms_looks_note(&looks, 2);
    ms_looks_note(&looks, 2);
    CHECK(ms_looks_next(&looks) == 2 && ms_looks_next(&looks) == -1);
    ms_looks_free(&looks);
    CHECK(ms_looks_init(&looks, 0.0, 3) == 0 && !ms_looks_due(&looks, 5.0));
    ms_looks_free(&looks);
}

static int64_t here(const ms_texts *texts, int64_t id, int32_t replica, int64_t *from)
{
    const ms_text_node *node = ms_texts_find(texts, id);
    for (const ms_text *text = node != NULL ? node->first : NULL; text != NULL; text = text->next) {
        if (text->replica == replica) {
            *from = text->from;
            return text->to;
        }
    }
    return -1;
}

/* A prompt of nodes 1 (20 tokens) and 2 (to 50), and 10 of its own. */
static ms_job long_prompt(ms_node_of_path *path)
{
    path[0] = (ms_node_of_path){1, 20};
    path[1] = (ms_node_of_path){2, 50};
    ms_job job = ms_job_new(0, 0, 60, 5);
    job.path = path;
    job.path_length = 2;
    return job;
}

static void parts_of_a_prompt(void)
{
    ms_node_of_path path[2];
    const ms_job job = long_prompt(path);
    ms_part part;
    CHECK(ms_prompt_part(&job, 1, &part) && part.id == 2 && part.from == 20 && part.to == 50);
    CHECK(ms_prompt_part(&job, 2, &part) && part.id == -1 && part.from == 50 && part.to == 60);
    CHECK(!ms_prompt_part(&job, 3, &part));
}

static void ends_go_first_where_a_tree_is_too_large(void)
{
    ms_node_of_path path[2];
    const ms_job job = long_prompt(path);
    ms_texts texts;
    int64_t from;
    CHECK(ms_texts_init(&texts, 2, 1, 0, 0) == 0);
    CHECK(ms_texts_add(&texts, &job, 1) == 0 && texts.list[1].units == 60);
    ms_texts_trim(&texts, 1, 45);
    CHECK(here(&texts, 2, 1, &from) == 45 && from == 20 && here(&texts, 1, 1, &from) == 20);
    ms_texts_trim(&texts, 1, 15);
    CHECK(here(&texts, 2, 1, &from) == -1 && here(&texts, 1, 1, &from) == 15 && ms_texts_find(&texts, 2) == NULL);
    CHECK(ms_texts_add(&texts, &job, 1) == 0 && texts.list[1].units == 60);
    CHECK(ms_texts_add(&texts, &job, 0) == 0);
    ms_texts_forget(&texts, 1);
    CHECK(texts.list[1].units == 0 && texts.list[1].oldest == NULL && here(&texts, 1, 0, &from) == 20);
    ms_texts_free(&texts);
}

static void starts_go_first_from_a_list_of_blocks(void)
{
    ms_node_of_path path[2];
    const ms_job job = long_prompt(path);
    ms_texts texts;
    int64_t from;
    CHECK(ms_texts_init(&texts, 1, 8, 0, 1) == 0); /* blocks 0 1 | 2 3 4 5 | 6 */
    CHECK(ms_texts_add(&texts, &job, 0) == 0 && texts.list[0].units == 7);
    ms_texts_trim(&texts, 0, 4);
    CHECK(here(&texts, 1, 0, &from) == -1 && here(&texts, 2, 0, &from) == 6 && from == 3);
    CHECK(ms_texts_add(&texts, &job, 0) == 0 && texts.list[0].units == 8); /* its own text is not known again */
    ms_texts_free(&texts);
    CHECK(ms_texts_init(&texts, 1, 8, 30, 1) == 0);
    CHECK(ms_texts_add(&texts, &job, 0) == 0 && texts.list[0].units == 3 && here(&texts, 2, 0, &from) == 3);
    ms_texts_free(&texts);
}

static void many_texts_are_found_again(void)
{
    ms_texts texts;
    int64_t from;
    CHECK(ms_texts_init(&texts, 5, 1, 0, 0) == 0);
    for (int32_t i = 0; i < 2000; i++) {
        ms_node_of_path path[] = {{i % 700, 4}};
        ms_job job = ms_job_new(i, 0, 4, 1);
        job.path = path;
        job.path_length = 1;
        CHECK(ms_texts_add(&texts, &job, i % 5) == 0);
    }
    for (int32_t i = 0; i < 2000; i++) {
        CHECK(here(&texts, i % 700, i % 5, &from) == 4);
    }
    ms_texts_remove(&texts, 3, 3);
    CHECK(here(&texts, 3, 3, &from) == -1 && here(&texts, 4, 4, &from) == 4);
    for (int32_t replica = 0; replica < 5; replica++) {
        ms_texts_forget(&texts, replica);
    }
    CHECK(texts.n_nodes == 0 && texts.n_texts == 0);
    ms_texts_free(&texts);
}

int main(void)
{
    RUN(ties_against_looking_at_all);
    RUN(bindings_expire_in_order_of_use);
    RUN(looks_are_due_once_at_each_multiple);
    RUN(parts_of_a_prompt);
    RUN(ends_go_first_where_a_tree_is_too_large);
    RUN(starts_go_first_from_a_list_of_blocks);
    RUN(many_texts_are_found_again);
    return report();
}
