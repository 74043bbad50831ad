#include "cache_check.h"

#include "check.h"
#include "error.h"
#include "passing.h"
#include "texts.h"

/* Blocks of 4 tokens: [0, 10) are of the group, which has two full ones; the third belongs to whoever fills it. */
static void a_block_belongs_to_the_node_of_its_last_token(void)
{
    const ms_node_of_path path[] = {{1, 10}, {2, 20}};
    ms_cache cache;
    ms_cache_init(&cache, 4);
    ms_job whole = with_path(0, 20, path, 2), group = with_path(1, 12, path, 1);
    CHECK(pass_by(&cache, &whole) == 0 && cache.cached == 5 && cache.nodes == 2);
    CHECK(ms_cache_find(&cache, &group, 12).present == 2);
    CHECK(pass_by(&cache, &group) == 2 && cache.cached == 6); /* its own third block is another */
    CHECK(ms_cache_find(&cache, &whole, 20).present == 5);
    CHECK(ms_cache_find(&cache, &whole, 19).present == 4);
    ms_cache_free(&cache);
}

static void blocks_that_two_use_count_once(void)
{
    const ms_node_of_path path[] = {{1, 8}};
    ms_cache cache;
    ms_cache_init(&cache, 4);
    ms_job first = with_path(0, 8, path, 1), second = with_path(1, 8, path, 1), shorter = with_path(2, 7, path, 0);
    const ms_node_of_path start[] = {{1, 7}};
    shorter.path = start;
    shorter.path_length = 1;
    CHECK(ms_cache_admit(&cache, &first, 8, REPLICA) == 0);
    ms_cache_extend(&cache, &first, 5);
    const ms_hits hits = ms_cache_find(&cache, &second, 8);
    CHECK(hits.present == 1 && hits.held == 1);
    ms_cache_extend(&cache, &first, 8);
    CHECK(ms_cache_admit(&cache, &second, 8, REPLICA) == 2 && cache.twice == 2);
    CHECK(ms_cache_admit(&cache, &shorter, 7, REPLICA) == 1 && cache.twice == 3 && cache.cached == 0);
    ms_cache_leave(&cache, &first, 8, 1, 0);
    CHECK(cache.twice == 1 && cache.cached == 0);
    ms_cache_leave(&cache, &second, 8, 1, 0); /* the shorter one goes on using the first block */
    CHECK(cache.twice == 0 && cache.cached == 1);
    CHECK(ms_cache_find(&cache, &second, 8).held == 1);
    ms_cache_leave(&cache, &shorter, 7, 1, 0);
    CHECK(cache.twice == 0 && cache.cached == 2);
    ms_cache_free(&cache);
}

static void the_oldest_goes_first_and_the_deepest_of_it(void)
{
    const ms_node_of_path a[] = {{1, 12}}, b[] = {{2, 12}};
    ms_cache cache;
    ms_cache_init(&cache, 4);
    ms_job first = with_path(0, 12, a, 1), second = with_path(1, 12, b, 1);
    pass_by(&cache, &first);
    pass_by(&cache, &second);
    ms_cache_evict(&cache, 2);
    CHECK(ms_cache_find(&cache, &first, 12).present == 1 && ms_cache_find(&cache, &second, 12).present == 3);
    CHECK(pass_by(&cache, &first) == 1); /* it is the newest now */
    ms_cache_evict(&cache, 4);
    CHECK(ms_cache_find(&cache, &first, 12).present == 2 && ms_cache_find(&cache, &second, 12).present == 0);
    CHECK(cache.nodes == 1 && cache.cached == 2 && cache.evicted == 6);
    ms_cache_free(&cache);
}

/* Ten tokens and an answer of which six are cached: four blocks of the session, if it is complete. */
/* Two stretches of one node at once, of which it has place for one, in either order of their going. */
static void a_node_may_be_released_piece_by_piece(void)
{
    const ms_node_of_path whole[] = {{1, 40}}, half[] = {{1, 20}};
    for (int takes_first = 0; takes_first < 2; takes_first++) {
        ms_cache cache;
        ms_cache_init(&cache, 4);
        ms_job longer = with_path(0, 40, whole, 1), shorter = with_path(1, 20, half, 1);
        CHECK(ms_cache_admit(&cache, &longer, 40, REPLICA) == 0);
        ms_cache_extend(&cache, &longer, 40);
        CHECK(ms_cache_admit(&cache, &shorter, 20, REPLICA) == 5);
        ms_cache_leave(&cache, &longer, 40, 0, 0);
        CHECK(cache.cached == 5 && ms_cache_check(&cache) == 0);
        ms_cache_leave(&cache, &shorter, 20, 0, 0);
        CHECK(cache.cached == 10 && ms_cache_check(&cache) == 0);
        if (takes_first) {
            CHECK(ms_cache_admit(&cache, &shorter, 20, REPLICA) == 5 && cache.cached == 5);
            ms_cache_leave(&cache, &shorter, 20, 0, 0);
            CHECK(cache.cached == 10 && ms_cache_check(&cache) == 0);
        }
        ms_cache_evict(&cache, 7);
        CHECK(ms_cache_find(&cache, &longer, 40).present == 3 && ms_cache_check(&cache) == 0);
        ms_cache_evict(&cache, 3);
        CHECK(cache.nodes == 0 && cache.cached == 0 && cache.oldest == NULL && ms_cache_check(&cache) == 0);
        CHECK(pass_by(&cache, &longer) == 0 && cache.cached == 10); /* by a node that was another's */
        ms_cache_free(&cache);
    }
}

/* Whether something is there of the job or of a neighbour in its bucket, or nothing was there ever. */
static void to_expect_a_job_changes_nothing(void)
{
    const ms_node_of_path path[] = {{1, 10}, {2, 20}}, other[] = {{3, 20}};
    ms_cache cache;
    ms_cache_init(&cache, 4);
    ms_job known = with_path(0, 20, path, 2), unknown = with_path(1, 20, other, 1), alone = with_path(2, 20, NULL, 0);
    for (int passes = 0; passes < 2; passes++) {
        for (int again = 0; again < 2; again++) {
            ms_cache_expect(&cache, &known, again);
            ms_cache_expect(&cache, &unknown, again);
            ms_cache_expect(&cache, &alone, again);
        }
        CHECK(cache.nodes == 2 * passes && cache.cached == 5 * passes && ms_cache_check(&cache) == 0);
        CHECK(pass_by(&cache, &known) == 5 * passes);
    }
    for (int part = 0; part < MS_CACHE_PARTS; part++) {
        ms_cache_expect_end(&cache, &known, part); /* it uses nothing */
    }
    ms_cache_admit(&cache, &known, 20, REPLICA);
    for (int part = 0; part < MS_CACHE_PARTS; part++) { /* of two uses */
        ms_cache_expect_end(&cache, &known, part);
    }
    CHECK(cache.nodes == 2 && cache.cached == 0 && ms_cache_check(&cache) == 0);
    ms_cache_leave(&cache, &known, 20, 0, 0);
    ms_cache_free(&cache);
}

static void an_answer_continues_its_session(void)
{
    const ms_node_of_path now[] = {{7, 10}}, next[] = {{7, 21}};
    for (int is_answered = 0; is_answered < 2; is_answered++) {
        ms_cache cache;
        ms_cache_init(&cache, 4);
        ms_job turn = with_path(0, 10, now, 1), following = with_path(1, 21, next, 1);
        turn.answer_node = 7;
        ms_cache_admit(&cache, &turn, 10, REPLICA);
        ms_cache_extend(&cache, &turn, 10);
        ms_cache_leave(&cache, &turn, 14, 1, 0); /* preempted with 5 tokens, of which it finds all but the last later */
        turn.generated_tokens = 5;
        CHECK(ms_cache_admit(&cache, &turn, 15, REPLICA) == 3 && cache.cached == 0);
        ms_cache_extend(&cache, &turn, 15);
        ms_cache_leave(&cache, &turn, 16, 1, is_answered);
        CHECK(ms_cache_find(&cache, &following, 21).present == (is_answered ? 4 : 2));
        CHECK(cache.cached == 4 && cache.twice == 0 && cache.nodes == (is_answered ? 1 : 2));
        ms_cache_free(&cache);
    }
}

/* ---- what is seen of it where it is polled ---------------------------------------------------------------- */

static int is_known(const ms_texts *directory, const ms_job *job)
{
    int64_t id;
    return ms_cache_first_id(job, 4, &id) && ms_texts_find(directory, id) != NULL;
}

/* A cache that tells a directory what it has, and whose looks are counted. */
static void begin_polled(ms_cache *cache, ms_texts *directory, const int64_t *look)
{
    CHECK(ms_texts_init(directory, 1, 1, 0, 0) == 0);
    ms_cache_init(cache, 4);
    cache->directory = directory;
    CHECK(ms_cache_poll(cache, look) == 0);
}

/* What comes, and what goes, is seen at the next look, and so is who has something of a prompt. */
static void what_was_there_at_the_last_look_is_seen(void)
{
    const ms_node_of_path path[] = {{1, 8}, {2, 12}}, others[] = {{3, 8}};
    int64_t look = 0;
    ms_texts directory;
    ms_cache cache;
    begin_polled(&cache, &directory, &look);
    ms_job job = with_path(0, 13, path, 2), other = with_path(1, 8, others, 1);
    CHECK(pass_by(&cache, &job) == 0);
    CHECK(ms_cache_find(&cache, &job, 13).present == 3 && ms_cache_seen(&cache, &job, 13) == 0);
    look++;
    CHECK(ms_cache_seen(&cache, &job, 13) == 3 && ms_cache_seen(&cache, &job, 11) == 2 && is_known(&directory, &job));
    ms_cache_evict(&cache, 2); /* all of the second node, and one block of the first */
    CHECK(ms_cache_find(&cache, &job, 13).present == 1 && ms_cache_seen(&cache, &job, 13) == 3);
    CHECK(pass_by(&cache, &other) == 0 && ms_cache_seen(&cache, &other, 8) == 0);
    ms_cache_evict(&cache, 1);
    CHECK(cache.nodes == 1 && ms_cache_seen(&cache, &job, 13) == 3 && is_known(&directory, &job));
    look++;
    CHECK(ms_cache_seen(&cache, &job, 13) == 0 && ms_cache_seen(&cache, &other, 8) == 2);
    ms_cache_evict(&cache, 1); /* the first change since */
    CHECK(!is_known(&directory, &job) && is_known(&directory, &other) && ms_cache_seen(&cache, &other, 8) == 2);
    look++;
    CHECK(ms_cache_seen(&cache, &other, 8) == 1);
    ms_cache_free(&cache);
    ms_texts_free(&directory);
}

/* A replica that fails: what was there is not seen any more, be it there still or gone since the look. */
static void a_cleared_cache_is_seen_at_once(void)
{
    const ms_node_of_path path[] = {{1, 8}}, others[] = {{3, 8}};
    int64_t look = 0;
    ms_texts directory;
    ms_cache cache;
    begin_polled(&cache, &directory, &look);
    ms_job job = with_path(0, 8, path, 1), other = with_path(1, 8, others, 1);
    pass_by(&cache, &job);
    pass_by(&cache, &other);
    look++;
    ms_cache_evict(&cache, 2);
    CHECK(ms_cache_seen(&cache, &job, 8) == 2 && ms_cache_seen(&cache, &other, 8) == 2);
    ms_cache_clear(&cache);
    CHECK(ms_cache_seen(&cache, &job, 8) == 0 && ms_cache_seen(&cache, &other, 8) == 0);
    CHECK(!is_known(&directory, &job) && !is_known(&directory, &other));
    CHECK(pass_by(&cache, &job) == 0 && ms_cache_seen(&cache, &job, 8) == 0);
    look++;
    CHECK(ms_cache_seen(&cache, &job, 8) == 2);
    ms_cache_free(&cache);
    CHECK(cache.bucket == NULL && cache.buckets == 0 && cache.stores == NULL && cache.past == NULL);
    ms_texts_free(&directory);
}

/* ---- random use, against a list of blocks ---------------------------------------------------------------- */

enum { JOBS = 12, NODES = 40, ROUNDS = 400 };

/* Whatever happens, every block is counted once, and a text's blocks are there from its start or not at all. */
static void every_block_is_accounted_for(void)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        lcg chance = {seed};
        ms_cache cache;
        const int64_t b = lcg_between(&chance, 1, 4), capacity = lcg_between(&chance, 40, 90);
        ms_cache_init(&cache, b);
        ms_node_of_path path[JOBS][2];
        ms_job jobs[JOBS];
        int64_t computed[JOBS], uses = 0;
        int runs[JOBS] = {0};
        for (int round = 0; round < ROUNDS; round++) {
            const int64_t i = lcg_between(&chance, 0, JOBS - 1);
            ms_job *job = &jobs[i];
            if (!runs[i]) {
                const int64_t group = lcg_between(&chance, 0, 3), prompt = lcg_between(&chance, 1, 20);
                const int64_t end = prompt < 5 + group ? prompt : 5 + group;
                path[i][0] = (ms_node_of_path){group, (int32_t)end};
                path[i][1] = (ms_node_of_path){10 * (group + 1) + lcg_between(&chance, 0, NODES / 10), (int32_t)prompt};
                *job = with_path(round, (int32_t)prompt, path[i], prompt > end ? 2 : 1);
                const ms_hits hits = ms_cache_find(&cache, job, prompt);
                CHECK(hits.held <= hits.present && hits.present <= prompt / b);
                CHECK(ms_cache_admit(&cache, job, prompt, REPLICA) == hits.present);
                computed[i] = hits.present * b;
                uses += hits.present;
                runs[i] = 1;
            } else if (computed[i] < job->prompt_tokens) {
                const int64_t before = computed[i] / b;
                computed[i] += lcg_between(&chance, 1, job->prompt_tokens - computed[i]);
                ms_cache_extend(&cache, job, computed[i]);
                uses += computed[i] / b - before;
            } else {
                uses -= computed[i] / b;
                ms_cache_leave(&cache, job, computed[i], 0, 0);
                CHECK(job->holds == NULL);
                runs[i] = 0;
            }
            const int64_t used = uses - cache.twice, beyond = used + cache.cached - capacity;
            CHECK(used >= 0 && cache.twice >= 0 && cache.cached >= 0 && cache.error == 0);
            if (beyond > 0 && beyond <= cache.cached) {
                ms_cache_evict(&cache, beyond);
                CHECK(used + cache.cached == capacity);
            }
        }
        for (int i = 0; i < JOBS; i++) {
            if (runs[i]) {
                ms_cache_leave(&cache, &jobs[i], computed[i], 0, 0);
            }
        }
        CHECK(cache.twice == 0 && ms_cache_check(&cache) == 0);
        ms_cache_evict(&cache, cache.cached);
        CHECK(cache.nodes == 0 && cache.cached == 0 && cache.oldest == NULL && cache.newest == NULL);
        ms_cache_free(&cache);
    }
}

/* More nodes than the table has buckets at first: all are found again as it grows, and when others have been
 * evicted. */
static void many_nodes_are_found_again(void)
{
    enum { MANY = 500 };
    static ms_node_of_path paths[MANY][1];
    ms_cache cache;
    ms_cache_init(&cache, 4);
    for (int32_t i = 0; i < MANY; i++) {
        paths[i][0] = (ms_node_of_path){1000 + 7 * i, 8};
        ms_job job = with_path(i, 8, paths[i], 1);
        CHECK(pass_by(&cache, &job) == 0 && cache.nodes == i + 1 && cache.nodes <= cache.buckets);
    }
    for (int32_t i = 0; i < MANY; i++) {
        const ms_job job = with_path(MANY + i, 8, paths[i], 1);
        CHECK(ms_cache_find(&cache, &job, 8).present == 2);
    }
    ms_cache_evict(&cache, 2 * 200);
    CHECK(cache.nodes == MANY - 200 && cache.cached == 2 * (MANY - 200));
    for (int32_t i = 0; i < MANY; i++) {
        const ms_job job = with_path(MANY + i, 8, paths[i], 1);
        CHECK(ms_cache_find(&cache, &job, 8).present == (i < 200 ? 0 : 2));
    }
    ms_cache_clear(&cache);
    CHECK(cache.nodes == 0 && cache.cached == 0 && cache.evicted == 400);
    ms_cache_free(&cache);
}

static void blocks_that_do_not_add_up_are_an_error(void)
{
    const ms_node_of_path path[] = {{1, 8}, {2, 16}}, child[] = {{2, 16}};
    ms_cache cache;
    ms_cache_init(&cache, 4);
    ms_job job = with_path(0, 16, path, 2), other = with_path(1, 16, path, 2), alone = with_path(2, 16, child, 1);
    pass_by(&cache, &job);
    CHECK(ms_cache_admit(&cache, &other, 16, REPLICA) == 4 && ms_cache_check(&cache) == 0);
    cache.twice++;
    CHECK(ms_cache_check(&cache) == MS_ERR_BLOCKS);
    cache.twice--;
    ms_cache_leave(&cache, &other, 16, 1, 0);
    cache.cached--;
    CHECK(ms_cache_check(&cache) == MS_ERR_BLOCKS);
    cache.cached++;
    CHECK(ms_cache_check(&cache) == 0 && cache.error == 0);
    ms_cache_evict(&cache, 5); /* there are four */
    CHECK(cache.error == MS_ERR_BLOCKS);
    ms_cache_clear(&cache);
    CHECK(pass_by(&cache, &alone) == 0 && cache.error == 0);
    CHECK(ms_cache_admit(&cache, &job, 8, REPLICA) == 0 && cache.error == 0);
    ms_cache_leave(&cache, &job, 8, 0, 0);
    ms_cache_free(&cache);
}

/* The second node's first block was computed under another parent, which no reader of prompts lets through. */
static void a_block_without_its_parent_is_an_error(void)
{
    const ms_node_of_path under_one[] = {{1, 8}, {2, 16}}, under_three[] = {{3, 8}, {2, 16}};
    ms_cache cache;
    ms_cache_init(&cache, 4);
    ms_job job = with_path(0, 16, under_one, 2), other = with_path(1, 16, under_three, 2);
    CHECK(pass_by(&cache, &job) == 0 && cache.error == 0);
    CHECK(ms_cache_admit(&cache, &other, 16, REPLICA) == 0 && cache.error == MS_ERR_BLOCKS);
    ms_cache_leave(&cache, &other, 16, 0, 0);
    ms_cache_free(&cache);
}

/* The first node that fills a block, with which the prompt can be known again. */
static void a_prompt_is_known_by_its_first_full_block(void)
{
    const ms_node_of_path path[] = {{11, 2}, {22, 3}, {33, 9}, {44, 20}};
    int64_t id;
    ms_job whole = with_path(5, 30, path, 4), two = with_path(6, 30, path, 2), none = with_path(7, 30, NULL, 0);
    ms_job other = with_path(8, 30, NULL, 0), shorter = with_path(9, 3, path, 2), own = with_path(10, 3, NULL, 0);
    CHECK(ms_cache_first_id(&whole, 4, &id));
    const int64_t third = id;
    CHECK(ms_cache_first_id(&whole, 2, &id) && id != third);
    const int64_t first = id;
    CHECK(ms_cache_first_id(&whole, 3, &id) && id != third && id != first); /* the second has the third token */
    CHECK(ms_cache_first_id(&whole, 16, &id) && id != third);
    const ms_job alike = with_path(99, 12, path + 2, 1);
    CHECK(ms_cache_first_id(&alike, 4, &id) && id == third); /* whoever asks */
    CHECK(ms_cache_first_id(&two, 4, &id) && id != third);
    const int64_t of_two = id;
    CHECK(ms_cache_first_id(&none, 4, &id) && id != of_two);
    const int64_t of_none = id;
    CHECK(ms_cache_first_id(&other, 4, &id) && id != of_none); /* its own text is nobody else's */
    CHECK(!ms_cache_first_id(&shorter, 4, &id) && !ms_cache_first_id(&own, 4, &id));
    CHECK(ms_cache_first_id(&own, 3, &id) && !ms_cache_first_id(&whole, 31, &id) && ms_cache_first_id(&whole, 30, &id));
}

/* Whoever keeps a directory hears of a node as something of it is there, and again as nothing is left. */
static void a_directory_has_what_is_there(void)
{
    const ms_node_of_path path[] = {{1, 12}};
    ms_texts directory;
    ms_cache cache;
    int64_t id;
    CHECK(ms_texts_init(&directory, 3, 1, 0, 0) == 0);
    ms_cache_init(&cache, 4);
    cache.directory = &directory;
    cache.place = 2;
    ms_job job = with_path(0, 12, path, 1);
    CHECK(ms_cache_first_id(&job, 4, &id) && ms_texts_find(&directory, id) == NULL);
    pass_by(&cache, &job);
    CHECK(ms_texts_find(&directory, id) != NULL && ms_texts_find(&directory, id)->entries[0].replica == 2);
    ms_cache_evict(&cache, 2);
    CHECK(ms_texts_find(&directory, id) != NULL);
    ms_cache_evict(&cache, 1);
    CHECK(ms_texts_find(&directory, id) == NULL && directory.n_texts == 0);
    pass_by(&cache, &job);
    ms_cache_clear(&cache);
    CHECK(ms_texts_find(&directory, id) == NULL && directory.n_texts == 0);
    ms_cache_free(&cache);
    ms_texts_free(&directory);
}

/* Texts that are numbered one after the other spread over the buckets: a look-up does not pass by all of them. */
static void nodes_spread_over_buckets(void)
{
    enum { TEXTS = 1000 };
    ms_cache cache;
    ms_cache_init(&cache, 1);
    for (int32_t i = 0; i < TEXTS; i++) {
        const ms_node_of_path path[] = {{i, 1}};
        ms_job job = with_path(i, 1, path, 1);
        CHECK(pass_by(&cache, &job) == 0);
    }
    int64_t used = 0;
    for (int64_t i = 0; i < cache.buckets; i++) {
        used += cache.bucket[i] != NULL;
    }
    CHECK(cache.nodes >= TEXTS && used > TEXTS / 2);
    ms_cache_free(&cache);
    CHECK(cache.bucket == NULL && cache.buckets == 0 && cache.stores == NULL);
}

int main(void)
{
    RUN(a_block_belongs_to_the_node_of_its_last_token);
    RUN(blocks_that_two_use_count_once);
    RUN(the_oldest_goes_first_and_the_deepest_of_it);
    RUN(a_node_may_be_released_piece_by_piece);
    RUN(to_expect_a_job_changes_nothing);
    RUN(an_answer_continues_its_session);
    RUN(what_was_there_at_the_last_look_is_seen);
    RUN(a_cleared_cache_is_seen_at_once);
    RUN(every_block_is_accounted_for);
    RUN(many_nodes_are_found_again);
    RUN(blocks_that_do_not_add_up_are_an_error);
    RUN(a_block_without_its_parent_is_an_error);
    RUN(a_prompt_is_known_by_its_first_full_block);
    RUN(a_directory_has_what_is_there);
    RUN(nodes_spread_over_buckets);
    return report();
}
