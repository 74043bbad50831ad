#include "error.h"

#include <stddef.h>

struct entry {
    int code;
    const char *exception;
    const char *text;
};

static const struct entry entries[] = {
#define MS_ENTRY(code, value, exception, text) {value, exception, text " (" #code ")"},
    MS_ERRORS(MS_ENTRY)
#undef MS_ENTRY
};

enum { N_ENTRIES = sizeof entries / sizeof entries[0] };

static const struct entry *find(int code)
{
    for (int i = 0; i < N_ENTRIES; i++) {
        if (entries[i].code == code) {
            return &entries[i];
        }
    }
    return NULL;
}

const char *ms_error_text(int code)
{
    const struct entry *result = find(code);
    return result != NULL ? result->text : "an unknown error code (a bug in messsim)";
}

const char *ms_error_exception(int code)
{
    const struct entry *result = find(code);
    return result != NULL ? result->exception : "KernelError";
}

int ms_error_code(int i)
{
    return i >= 0 && i < N_ENTRIES ? entries[i].code : 0;
}
