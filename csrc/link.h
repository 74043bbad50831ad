/* A link whose bandwidth the transfers on it share evenly: each has had as many bytes as any other that was there as long.
 *
 * Its calendar is a heap of ends in bytes that each transfer has had, which go up the slower the more of them there are
 * (processor sharing, Kleinrock 1967): whoever joins or leaves moves no end but the time of the first. */
#ifndef MS_LINK_H
#define MS_LINK_H

#include "calendar.h"

typedef struct ms_link {
    double bytes_per_s; /* of all together */
    double carried;     /* bytes that each has had since the link was last empty, as of `since_s` */
    double since_s;
    double next_s;      /* when the first of them ends; infinite: none is there */
    ms_heap ends;       /* moments in bytes, not seconds */
} ms_link;

void ms_link_init(ms_link *self, double bytes_per_s);
void ms_link_free(ms_link *self);

/* A transfer joins; among those that end together the least order is first, and of these the least suborder. Returns 0 or
 * an error. */
int ms_link_join(ms_link *self, void *transfer, uint64_t order, uint64_t suborder, double bytes, double t_s);

/* A transfer that has not ended leaves. */
void ms_link_leave(ms_link *self, const void *transfer, double t_s);

/* Takes out a transfer that ends at t_s; NULL: none does. */
void *ms_link_end(ms_link *self, double t_s);

#endif
