/* Tables of fields: a structure that the door fills in or reads is declared by one X-macro, from which come its members
 * and this description of them. */
#ifndef MS_FIELDS_H
#define MS_FIELDS_H

#include <stddef.h>
#include <stdint.h>

typedef struct ms_field {
    const char *name;
    const char *type; /* as NumPy writes it */
    size_t offset;    /* of the value, or of the pointer to its column */
} ms_field;

/* The type of a value as NumPy writes it. */
#define MS_FIELD_TYPE(type) \
    _Generic((type)0, double: "f8", int64_t: "i8", int32_t: "i4", int8_t: "i1", uint8_t: "u1")

#endif
