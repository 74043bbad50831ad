#include "standings.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"

int ms_standings_init(ms_standings *self, int32_t places)
{
    const size_t room = (size_t)places + 1;
    *self = (ms_standings){.node = calloc(room, sizeof *self->node), .path = calloc(room, sizeof(int32_t))};
    if (self->node == NULL || self->path == NULL) {
        ms_standings_free(self);
        return MS_ERR_MEMORY;
    }
    self->node[0] = (ms_standing){.least = {{INFINITY, INFINITY, INFINITY, INFINITY}},
                                  .until_s = INFINITY,
                                  .earliest_s = INFINITY,
                                  .is_alike = 1};
    for (int32_t i = 1; i <= places; i++) {
        uint32_t mixed = (uint32_t)i * 0x9E3779B9u;
        mixed = (mixed ^ mixed >> 16) * 0x85EBCA6Bu;
        self->node[i].priority = (mixed ^ mixed >> 13) * 0xC2B2AE35u;
    }
    return 0;
}

void ms_standings_free(ms_standings *self)
{
    free(self->node);
    free(self->path);
    *self = (ms_standings){0};
}

/* ---- nodes --------------------------------------------------------------------------------------------- */

static int precedes(const ms_terms *a, int32_t at_a, const ms_terms *b, int32_t at_b)
{
    if (a->of[0] != b->of[0]) {
        return a->of[0] < b->of[0];
    }
    if (a->of[1] != b->of[1]) {
        return a->of[1] < b->of[1];
    }
    if (a->of[2] != b->of[2]) {
        return a->of[2] < b->of[2];
    }
    return a->of[3] != b->of[3] ? a->of[3] < b->of[3] : at_a < at_b;
}

static double lesser(double a, double b)
{
    return b < a ? b : a;
}

static int goes_with(const ms_standings *self, const ms_standing *one, int32_t child)
{
    return child == 0 || (self->node[child].is_alike && ms_terms_are_same(&one->terms, &self->node[child].terms));
}

/* Works out what a node knows of those below it. */
static void join(ms_standings *self, int32_t at)
{
    ms_standing *one = &self->node[at];
    const ms_standing *left = &self->node[one->left], *right = &self->node[one->right];
    for (int k = 0; k < MS_TERMS; k++) {
        one->least.of[k] = lesser(one->terms.of[k], lesser(left->least.of[k], right->least.of[k]));
    }
    one->earliest_s = lesser(one->until_s, lesser(left->earliest_s, right->earliest_s));
    one->size = left->size + right->size + 1;
    one->is_alike = (int8_t)(goes_with(self, one, one->left) && goes_with(self, one, one->right));
}

/* Somebody more is below a node. */
static void widen(ms_standing *one, const ms_standing *more)
{
    for (int k = 0; k < MS_TERMS; k++) {
        one->least.of[k] = lesser(one->least.of[k], more->terms.of[k]);
    }
    one->earliest_s = lesser(one->earliest_s, more->until_s);
    one->size++;
    one->is_alike = (int8_t)(one->is_alike && ms_terms_are_same(&one->terms, &more->terms));
}

/* ---- the tree ------------------------------------------------------------------------------------------ */

/* Those below `at` that come before `one`, and those that come after it. */
static void split(ms_standings *self, int32_t at, int32_t one, int32_t *before, int32_t *after)
{
    if (at == 0) {
        *before = *after = 0;
        return;
    }
    ms_standing *here = &self->node[at];
    if (precedes(&here->terms, at, &self->node[one].terms, one)) {
        *before = at;
        split(self, here->right, one, &here->right, after);
    } else {
        *after = at;
        split(self, here->left, one, before, &here->left);
    }
    join(self, at);
}

/* All of `a` come before all of `b`. Returns the root. */
static int32_t merge(ms_standings *self, int32_t a, int32_t b)
{
    if (a == 0 || b == 0) {
        return a + b;
    }
    if (self->node[a].priority > self->node[b].priority) {
        self->node[a].right = merge(self, self->node[a].right, b);
        join(self, a);
        return a;
    }
    self->node[b].left = merge(self, a, self->node[b].left);
    join(self, b);
    return b;
}

/* Works out anew what a node knows; returns whether it is something else, but for how many they are. */
static int join_anew(ms_standings *self, int32_t at)
{
    const ms_standing *here = &self->node[at];
    const ms_terms least = here->least;
    const double earliest_s = here->earliest_s;
    const int8_t is_alike = here->is_alike;
    join(self, at);
    return !ms_terms_are_same(&least, &here->least) || earliest_s != here->earliest_s || is_alike != here->is_alike;
}

void ms_standings_remove(ms_standings *self, int32_t place)
{
    const int32_t one = place + 1;
    ms_standing *gone = &self->node[one];
    int32_t *link = &self->root;
    int32_t depth = 0;
    if (!gone->is_in) {
        return;
    }
    while (*link != one) {
        ms_standing *here = &self->node[*link];
        self->path[depth++] = *link;
        here->size--;
        link = precedes(&gone->terms, one, &here->terms, *link) ? &here->left : &here->right;
    }
    *link = merge(self, gone->left, gone->right);
    gone->is_in = 0;
    while (depth > 0 && join_anew(self, self->path[depth - 1])) {
        depth--;
    }
}

void ms_standings_put(ms_standings *self, int32_t place, const ms_terms *terms, double until_s)
{
    const int32_t one = place + 1;
    ms_standing *new = &self->node[one];
    if (new->is_in && new->until_s == until_s && ms_terms_are_same(&new->terms, terms)) {
        return;
    }
    ms_standings_remove(self, place);
    new->terms = *terms;
    new->until_s = until_s;
    new->is_in = 1;
    int32_t *link = &self->root;
    while (*link != 0 && self->node[*link].priority > new->priority) {
        ms_standing *here = &self->node[*link];
        widen(here, new);
        link = precedes(&new->terms, one, &here->terms, *link) ? &here->left : &here->right;
    }
    const int32_t below = *link;
    *link = one;
    split(self, below, one, &new->left, &new->right);
    join(self, one);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

int32_t ms_standings_rank(const ms_standings *self, const ms_terms *terms, int32_t place)
{
    int32_t rank = 0;
    for (int32_t at = self->root; at != 0;) {
        const ms_standing *here = &self->node[at];
        if (precedes(&here->terms, at, terms, place + 1)) {
            rank += self->node[here->left].size + 1;
            at = here->right;
        } else {
            at = here->left;
        }
    }
    return rank;
}

int32_t ms_standings_at(const ms_standings *self, int32_t k)
{
    int32_t at = self->root;
    for (;;) {
        const ms_standing *here = &self->node[at];
        const int32_t before = self->node[here->left].size;
        if (k == before) {
            return at - 1;
        }
        at = k < before ? here->left : here->right;
        k -= k < before ? 0 : before + 1;
    }
}

const ms_terms *ms_standings_last(const ms_standings *self)
{
    int32_t at = self->root;
    while (self->node[at].right != 0) {
        at = self->node[at].right;
    }
    return &self->node[at].terms;
}
