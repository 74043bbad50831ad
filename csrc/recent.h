/* Values of the last so many seconds. */
#ifndef MS_RECENT_H
#define MS_RECENT_H

#include <stdint.h>

typedef struct ms_recent {
    double *time_s;
    double *value;
    int32_t room;
    int32_t length;
    int32_t first;
} ms_recent;

/* Forgets what is older than `window_s`, and adds a value; memory was allocated at first. */
void ms_recent_add(ms_recent *self, double t_s, double value, double window_s);

#endif
