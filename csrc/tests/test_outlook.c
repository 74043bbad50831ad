#include "outlook.h"

#include "replicas.h"

/* Memory of 100 tokens: a prompt of 4 counts from its first iteration on, each token with the iteration that
 * computes it. */
static void usage_is_that_of_the_iteration_under_way(void)
{
    ms_replica r;
    ms_queue done = {0};
    make(&r, (ms_limits){.max_num_seqs = 4, .max_batched_tokens = 16, .kv_capacity_tokens = 100});
    CHECK(ms_outlook_kv_usage(&r, 0.0) == 0.0);
    ms_job job = ms_job_new(0, 0, 4, 9), next = ms_job_new(1, 0, 4, 9);
    submit(&r, &job, 0.0);
    CHECK(ms_outlook_kv_usage(&r, 0.0) == 0.0);
    start(&r, 0.0);
    CHECK(ms_outlook_kv_usage(&r, 0.5) == 0.04 && ms_outlook_kv_usage(&r, 1.0) == 0.04);
    CHECK(ms_replica_finish(&r, &done) == 0);
    CHECK(ms_outlook_kv_usage(&r, 1.0) == 0.04); /* between two iterations */
    start(&r, 1.0);
    CHECK(ms_outlook_kv_usage(&r, 1.5) == 0.05 && ms_outlook_kv_usage(&r, 2.0) == 0.05);
    CHECK(ms_outlook_kv_usage(&r, 2.5) == 0.06 && ms_outlook_kv_usage(&r, 8.5) == 0.12);
    submit(&r, &next, 2.5);
    CHECK(ms_replica_finish(&r, &done) == 0);
    CHECK(r.target_iterations == 2 && ms_outlook_kv_usage(&r, 3.0) == 0.06); /* stopped on its way, with two done */
    start(&r, 3.0);
    CHECK(ms_outlook_kv_usage(&r, 3.5) == 0.11);
    ms_replica_free(&r);
}

/* Blocks of `block` tokens: wherever one looks, the usage is as it is said to be until when it is said to be so, and no less
 * after that; at most as many looks as there are blocks are needed. */
static void usage_holds_until_its_next_block(void)
{
    const int32_t blocks[] = {1, 4, 16, 7};
    for (int k = 0; k < 8; k++) {
        ms_replica r;
        static ms_drafts drafts;
        ms_drafts_init(&drafts, 2, (const double[]){0.5, 0.5}, &(ms_stream){1, 2, 0, 0});
        make(&r, (ms_limits){.max_num_seqs = 4,
                             .max_batched_tokens = 16,
                             .kv_capacity_tokens = 400,
                             .kv_block_tokens = blocks[k % 4],
                             .drafts = k < 4 ? NULL : &drafts});
        ms_job first = ms_job_new(0, 0, 5, 90), second = ms_job_new(1, 0, 21, 60);
        double until_s = 0.0;
        CHECK(ms_outlook_kv_usage_until(&r, 0.0, &until_s) == 0.0 && until_s == INFINITY);
        submit(&r, &first, 0.0);
        submit(&r, &second, 0.0);
        CHECK(ms_outlook_kv_usage_until(&r, 0.0, &until_s) == 0.0 && until_s == INFINITY);
        start(&r, 0.0);
        ms_queue done = {0};
        while (r.state == MS_RUNNING) {
            double t_s = r.base_s;
            int32_t looks = 0;
            while (t_s <= r.boundary_s) {
                const double usage = ms_outlook_kv_usage_until(&r, t_s, &until_s);
                const double last_s = until_s < r.boundary_s ? until_s : r.boundary_s;
                CHECK(usage == ms_outlook_kv_usage(&r, t_s) && until_s >= t_s);
                CHECK(usage == ms_outlook_kv_usage(&r, (t_s + last_s) / 2.0) && usage == ms_outlook_kv_usage(&r, last_s));
                CHECK(usage <= ms_outlook_kv_usage(&r, last_s + 0.5));
                CHECK(ms_outlook_decodes(&r) == (r.sequences.decoders > 0) && (usage > 0.0 || !ms_outlook_decodes(&r)));
                t_s = nextafter(last_s, INFINITY);
                if (k < 3 && last_s < r.boundary_s && r.sequences.decoders == r.sequences.running) {
                    CHECK(usage < ms_outlook_kv_usage(&r, t_s)); /* each look is at a block more */
                }
                looks++;
            }
            CHECK(looks <= r.limit_iterations && until_s == INFINITY);
            const double end_s = r.boundary_s;
            CHECK(ms_replica_finish(&r, &done) == 0);
            CHECK(ms_outlook_kv_usage_until(&r, end_s, &until_s) == ms_outlook_kv_usage(&r, end_s));
            start(&r, end_s);
        }
        CHECK(done.length == 2);
        ms_replica_free(&r);
    }
}

static void without_memory_there_is_no_usage(void)
{
    ms_replica r;
    make(&r, (ms_limits){.max_num_seqs = 4, .max_batched_tokens = 16});
    r.sequences.running = r.sequences.decoders = 1;
    CHECK(ms_outlook_kv_usage(&r, 1.0) == 0.0 && !ms_outlook_decodes(&r));
    r.sequences.decoders = 0;
    r.sequences.running = 0;
    ms_replica_free(&r);
}

/* A prompt of node 1 (10 tokens), in blocks of 4: two whole ones are there once the first has begun. */
static void a_cache_shows_whole_blocks(void)
{
    const ms_node_of_path path[] = {{1, 10}};
    for (int keeps = 0; keeps < 2; keeps++) {
        ms_replica r;
        make(&r, (ms_limits){.max_num_seqs = 4,
                             .max_batched_tokens = 16,
                             .kv_capacity_tokens = 100,
                             .kv_block_tokens = 4,
                             .prefix_cache = keeps});
        ms_job job = ms_job_new(0, 0, 10, 2), next = ms_job_new(1, 0, 16, 2);
        job.path = next.path = path;
        job.path_length = next.path_length = 1;
        CHECK(ms_outlook_cached_tokens(&r, &next) == 0);
        submit(&r, &job, 0.0);
        start(&r, 0.0);
        CHECK(run_out(&r) == 1);
        CHECK(ms_outlook_cached_tokens(&r, &next) == (keeps ? 8 : 0));
        ms_replica_free(&r);
    }
}

int main(void)
{
    RUN(usage_is_that_of_the_iteration_under_way);
    RUN(usage_holds_until_its_next_block);
    RUN(without_memory_there_is_no_usage);
    RUN(a_cache_shows_whole_blocks);
    return report();
}
