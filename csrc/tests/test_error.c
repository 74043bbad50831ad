#include "error.h"

#include "check.h"

static const struct {
    int code;
    const char *name;
} named[] = {
#define NAMED(code, value, exception, text) {code, #code},
    MS_ERRORS(NAMED)
#undef NAMED
};

enum { N_CODES = sizeof named / sizeof named[0] };

/* The classes of messsim/errors.py that a code may become. */
static const char *const classes[] = {"KernelError", "OutOfMemory", "PolicyError", "SimulationError"};

static int is_class(const char *name)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strcmp(classes[i], name) == 0) {
            return 1;
        }
    }
    return 0;
}

static void the_list_is_complete_and_negative(void)
{
    for (int i = 0; i < N_CODES; i++) {
        CHECK(ms_error_code(i) == named[i].code);
        CHECK(named[i].code < 0);
    }
    CHECK(ms_error_code(N_CODES) == 0);
    CHECK(ms_error_code(-1) == 0);
}

static void every_text_ends_in_its_code(void)
{
    for (int i = 0; i < N_CODES; i++) {
        char ending[64];
        const int length = snprintf(ending, sizeof ending, " (%s)", named[i].name);
        const char *text = ms_error_text(named[i].code);
        if (CHECK(length > 0 && (size_t)length < strlen(text))) {
            CHECK(strcmp(text + strlen(text) - (size_t)length, ending) == 0);
        }
    }
}

static void every_code_and_text_is_its_own(void)
{
    for (int i = 0; i < N_CODES; i++) {
        CHECK(strcmp(ms_error_text(named[i].code), ms_error_text(0)) != 0);
        for (int j = 0; j < i; j++) {
            const char *a = ms_error_text(named[i].code), *b = ms_error_text(named[j].code);
            CHECK(named[i].code != named[j].code);
            /* without the name that every text ends in, too */
            const size_t length = (size_t)(strrchr(a, '(') - a);
            CHECK(strncmp(a, b, length) != 0);
        }
    }
}

static void every_code_has_an_exception_class(void)
{
    for (int i = 0; i < N_CODES; i++) {
        CHECK(is_class(ms_error_exception(named[i].code)));
    }
    CHECK(strcmp(ms_error_exception(MS_ERR_MEMORY), "OutOfMemory") == 0);
    CHECK(strcmp(ms_error_exception(MS_ERR_PLAN), "PolicyError") == 0);
}

static void an_unknown_code_is_a_bug_of_ours(void)
{
    CHECK(strstr(ms_error_text(-999), "bug in messsim") != NULL);
    CHECK(strcmp(ms_error_exception(-999), "KernelError") == 0);
}

int main(void)
{
    RUN(the_list_is_complete_and_negative);
    RUN(every_text_ends_in_its_code);
    RUN(every_code_and_text_is_its_own);
    RUN(every_code_has_an_exception_class);
    RUN(an_unknown_code_is_a_bug_of_ours);
    return report();
}
