// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/base/units.h"
#include "lib/core/verdict.h"
#include "tools/image_progress.h"
#include "tools/image_verb.h"

#include <signal.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
static struct sigaction before[array_count(signals)];
static volatile sig_atomic_t stop_signal;

static void note_signal(int signal_number)
{
    stop_signal = signal_number;
}

void image_reading_begin(void)
{
    struct sigaction action = {.sa_handler = note_signal};

    stop_signal = 0;
    for (size_t i = 0; i < array_count(signals); i++) {
        (void)sigaction(signals[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            (void)sigaction(signals[i], &action, NULL);
    }
}

int image_reading_step(void *context, uint64_t done_bytes, uint64_t size_bytes)
{
    if (stop_signal != 0)
        return -1;
    image_progress_show(context, done_bytes, size_bytes);
    return 0;
}

int image_reading_end(int exit_code)
{
    for (size_t i = 0; i < array_count(signals); i++)
        (void)sigaction(signals[i], &before[i], NULL);
    if (stop_signal != 0 && exit_code != EXIT_ALL_PASSED)
        (void)raise(stop_signal);
    return exit_code;
}
