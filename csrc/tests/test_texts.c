#include "texts.h"
#include "check.h"
#include "jobs.h"
#include "prompt.h"

static int64_t here(const ms_texts *texts, int64_t id, int32_t replica, int64_t *from)
{
    const ms_text_node *node = ms_texts_find(texts, id);
    const ms_text_entry *entry = node != NULL ? ms_texts_find_at(texts, node, replica) : NULL;
    *from = entry != NULL ? entry->from : -1;
    return entry != NULL ? entry->to : -1;
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
    CHECK(texts.n_nodes == 700 && texts.n_texts == 700); /* each node at one replica: 5 divides 700 */
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

/* Replicas stand in the order in which they came by a node, whoever is gone meanwhile. */
static void one_node_at_many_replicas(void)
{
    enum { REPLICAS = 100 };
    ms_node_of_path path[] = {{7, 4}};
    ms_job job = ms_job_new(1, 0, 4, 1);
    job.path = path;
    job.path_length = 1;
    ms_texts texts;
    CHECK(ms_texts_init(&texts, REPLICAS, 1, 0, 0) == 0);
    for (int turn = 0; turn < 3; turn++) { /* all come, from 37 on; then a third, two thirds or all go */
        for (int32_t i = 0; i < REPLICAS; i++) {
            CHECK(ms_texts_add(&texts, &job, (i + 37) % REPLICAS) == 0);
        }
        CHECK(texts.n_texts == REPLICAS && texts.n_nodes == 1);
        for (int32_t i = 0; i < REPLICAS; i++) {
            if (i % 3 <= turn) {
                ms_texts_forget(&texts, i);
            }
        }
        const ms_text_node *node = ms_texts_find(&texts, 7);
        CHECK((node == NULL) == (turn == 2));
        int32_t k = 0;
        for (int32_t i = 0; i < REPLICAS && node != NULL; i++) {
            const int32_t replica = (i + 37) % REPLICAS;
            const ms_text_entry *entry = ms_texts_find_at(&texts, node, replica);
            CHECK((entry != NULL) == (replica % 3 > turn));
            CHECK(entry == NULL || (entry->replica == replica && entry->to == 4 && entry - node->entries >= k));
            k = entry != NULL ? (int32_t)(entry - node->entries) : k;
        }
        CHECK(node == NULL || (node->n <= 2 * node->live && node->live == texts.n_texts));
    }
    CHECK(texts.n_texts == 0 && texts.n_in_table == 0 && texts.n_nodes == 0);
    ms_texts_free(&texts);
}

/* What texts are, said by lists: of each replica the parts that it has, the one used least recently first. */
enum { MODEL_REPLICAS = 40, MODEL_PARTS = 1000, MODEL_NODES = 30 }; /* many of them have a node */

typedef struct model_part {
    int64_t id;
    int64_t from;
    int64_t to;
} model_part;

typedef struct model {
    model_part part[MODEL_REPLICAS][MODEL_PARTS];
    int32_t parts[MODEL_REPLICAS];
} model;

static int64_t model_units(const model *self, int32_t replica)
{
    int64_t units = 0;
    for (int32_t i = 0; i < self->parts[replica]; i++) {
        units += self->part[replica][i].to - self->part[replica][i].from;
    }
    return units;
}

static model_part take_out(model *self, int32_t replica, int32_t place)
{
    model_part *part = self->part[replica];
    const model_part taken = part[place];
    self->parts[replica]--;
    memmove(part + place, part + place + 1, (size_t)(self->parts[replica] - place) * sizeof *part);
    return taken;
}

static void model_add(model *self, int32_t replica, int64_t id, int64_t from, int64_t to)
{
    model_part fresh = id < 0 ? (model_part){id, 0, to - from} : (model_part){id, from, to}; /* of its own: a length */
    if (from == to) {
        return;
    }
    for (int32_t i = 0; i < self->parts[replica]; i++) {
        const int is_last = i == self->parts[replica] - 1;
        if (self->part[replica][i].id == id && (id >= 0 || is_last)) {
            const model_part before = take_out(self, replica, i);
            if (id < 0) {
                fresh = (model_part){id, before.from, before.to + to - from};
            } else if (before.to > to) {
                fresh.to = before.to;
            }
            break;
        }
    }
    self->part[replica][self->parts[replica]++] = fresh;
}

static void model_trim(model *self, int32_t replica, int64_t units, int starts_go_first)
{
    while (model_units(self, replica) > units) {
        model_part *oldest = &self->part[replica][0];
        const int64_t excess = model_units(self, replica) - units;
        if (excess >= oldest->to - oldest->from) {
            take_out(self, replica, 0);
        } else if (starts_go_first) {
            oldest->from += excess;
        } else {
            oldest->to -= excess;
        }
    }
}

static void compare(const ms_texts *texts, const model *lists)
{
    int32_t known = 0;
    for (int32_t replica = 0; replica < MODEL_REPLICAS; replica++) {
        CHECK(texts->list[replica].units == model_units(lists, replica));
        int32_t i = 0;
        for (const ms_text *text = texts->list[replica].oldest; text != NULL; text = text->newer, i++) {
            const model_part *part = &lists->part[replica][i];
            CHECK(i < lists->parts[replica] && part->id == (text->node != NULL ? text->node->id : -1));
            if (text->node == NULL) {
                const int64_t alone = text->newer == NULL ? texts->list[replica].alone : 0;
                CHECK(part->to - part->from == text->units + alone);
                continue;
            }
            const ms_text_entry *entry = &text->node->entries[text->at];
            CHECK(entry->text == text && entry->replica == replica && part->from == entry->from && part->to == entry->to);
            known++;
        }
        CHECK(i == lists->parts[replica]);
    }
    CHECK(known == texts->n_texts);
    for (int64_t id = 0; id < MODEL_NODES; id++) {
        int32_t has[MODEL_REPLICAS] = {0}, all = 0;
        const ms_text_node *node = ms_texts_find(texts, id);
        for (int32_t k = 0; node != NULL && k < node->n; k++) {
            const ms_text_entry *entry = &node->entries[k];
            CHECK(entry->replica >= 0 || (entry->from == 0 && entry->to == 0));
            if (entry->replica >= 0) {
                has[entry->replica]++;
                CHECK(ms_texts_find_at(texts, node, entry->replica) == entry);
            }
        }
        for (int32_t replica = 0; replica < MODEL_REPLICAS; replica++) {
            int32_t there = 0;
            for (int32_t i = 0; i < lists->parts[replica]; i++) {
                there += lists->part[replica][i].id == id;
            }
            CHECK(there == has[replica]);
            all += there;
        }
        CHECK((node != NULL) == (all > 0)); /* a node that nobody has is not kept */
    }
}

static void texts_against_lists(void)
{
    static model lists;
    for (int starts_go_first = 0; starts_go_first <= 1; starts_go_first++) {
        lcg chance = {7};
        ms_texts texts;
        lists = (model){0};
        const int64_t unit = starts_go_first ? 8 : 1;
        CHECK(ms_texts_init(&texts, MODEL_REPLICAS, unit, 300, starts_go_first) == 0);
        for (int turn = 0; turn < 12000; turn++) {
            const int32_t replica = (int32_t)lcg_between(&chance, 0, MODEL_REPLICAS - 1);
            ms_node_of_path path[3];
            int32_t end = 0;
            const int32_t length = (int32_t)lcg_between(&chance, 0, 3);
            for (int32_t i = 0; i < length; i++) {
                end += (int32_t)lcg_between(&chance, 1, 120);
                path[i] = (ms_node_of_path){lcg_between(&chance, 0, MODEL_NODES / 3 - 1) * 3 + i, end};
            }
            ms_job job = ms_job_new(turn, 0, end + (int32_t)lcg_between(&chance, 1, 40), 5);
            job.path = path;
            job.path_length = length;
            CHECK(ms_texts_add(&texts, &job, replica) == 0);
            for (int32_t k = 0; k <= length; k++) {
                ms_part part = {0};
                if (ms_prompt_part(&job, starts_go_first ? k : length - k, &part)) {
                    model_add(&lists, replica, part.id, ms_texts_units(&texts, part.from), ms_texts_units(&texts, part.to));
                }
            }
            if (lcg_between(&chance, 0, 3) == 0) {
                const int64_t most = lcg_between(&chance, 0, 5) == 0 ? 0 : lcg_between(&chance, 1, 600);
                ms_texts_trim(&texts, replica, most);
                model_trim(&lists, replica, most, starts_go_first);
            }
            if (turn < 200 || turn % 20 == 0) {
                compare(&texts, &lists);
            }
        }
        ms_texts_free(&texts);
        CHECK(texts.list == NULL && texts.node_bucket == NULL && texts.text_bucket == NULL);
    }
}

int main(void)
{
    RUN(ends_go_first_where_a_tree_is_too_large);
    RUN(starts_go_first_from_a_list_of_blocks);
    RUN(many_texts_are_found_again);
    RUN(one_node_at_many_replicas);
    RUN(texts_against_lists);
    return report();
}
