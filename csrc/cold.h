/* Who got requests of whose prompt nobody had anything, least recently first: the places of a model's replicas. */
#ifndef MS_COLD_H
#define MS_COLD_H

#include <stdint.h>

typedef struct ms_cold {
    int32_t most;      /* of them are remembered */
    int32_t length;
    int32_t oldest, newest; /* -1: there is none */
    int32_t *next;     /* [places] -1: none */
    int32_t *previous;
    int32_t *position; /* [places] 0 for the oldest, as last numbered; -1: it is not among them */
} ms_cold;

int ms_cold_init(ms_cold *self, int32_t places, int32_t most);
void ms_cold_free(ms_cold *self);

/* A place is the newest from now on. */
void ms_cold_touch(ms_cold *self, int32_t place);

/* Numbers those that are remembered. */
void ms_cold_number(ms_cold *self);

#endif
