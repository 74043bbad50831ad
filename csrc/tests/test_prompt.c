#include "prompt.h"
#include "check.h"
#include "jobs.h"

static void parts_of_a_prompt(void)
{
    ms_node_of_path path[2];
    const ms_job job = long_prompt(path);
    ms_part part;
    CHECK(ms_prompt_part(&job, 1, &part) && part.id == 2 && part.from == 20 && part.to == 50);
    CHECK(ms_prompt_part(&job, 2, &part) && part.id == -1 && part.from == 50 && part.to == 60);
    CHECK(!ms_prompt_part(&job, 3, &part));
}

int main(void)
{
    RUN(parts_of_a_prompt);
    return report();
}
