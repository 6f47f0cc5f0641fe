/* interrupt.c - see interrupt.h. */
#include "cli/interrupt.h"

#include "base/status.h"

#include <signal.h>

static volatile sig_atomic_t seen;

static void interrupt(int signal) {
    (void)signal;
    seen = 1;
}

void interrupt_catch(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
        sigaction(signals[i], &action, NULL);
    }
}

bool interrupt_seen(void) {
    return seen != 0;
}
