// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/shell_setup.h"

#include "lib/base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int shell_fail(char reason[SHELL_REASON_BYTES], int error, const char *what)
{
    (void)snprintf(reason, SHELL_REASON_BYTES, "%s: %s", what, strerror(-error));
    return error;
}

/* The pool in bytes: what was asked for, or the default. */
static uint64_t choose_pool_bytes(const struct shell_config *config, uint64_t least_bytes,
                                  uint64_t memory_bytes)
{
    if (config->pool_bytes != 0)
        return config->pool_bytes;
    uint64_t wanted_bytes = min_u64(memory_bytes / 4, SHELL_POOL_BYTES_MAX);
    return max_u64(min_u64(wanted_bytes, config->useful_bytes), least_bytes);
}

/* This machine's memory, or what its control group leaves us of it. */
static uint64_t usable_memory_bytes(void)
{
    uint64_t limit_bytes = uv_get_constrained_memory();
    uint64_t memory_bytes = uv_get_total_memory();

    return limit_bytes == 0 ? memory_bytes : min_u64(limit_bytes, memory_bytes);
}

static int open_pool(struct shell *shell, const struct shell_config *config, uint32_t *buffer_count,
                     char reason[SHELL_REASON_BYTES])
{
    uint64_t memory_bytes = usable_memory_bytes();
    uint64_t most_bytes = memory_bytes / 4 * 3;
    uint64_t least_bytes =
        (uint64_t)press_buffers_min(config->slot_count, config->window) * config->chunk_bytes;
    uint64_t bytes = choose_pool_bytes(config, least_bytes, memory_bytes);

    if (bytes < least_bytes || bytes > most_bytes) {
        (void)snprintf(reason, SHELL_REASON_BYTES,
                       "a pool of %" PRIu64 " MiB does not do: %u drive%s at least %" PRIu64
                       " MiB, and three quarters of the memory that there is are %" PRIu64 " MiB",
                       bytes / MIB, config->slot_count,
                       config->slot_count == 1 ? " needs" : "s need", (least_bytes + MIB - 1) / MIB,
                       most_bytes / MIB);
        return -EINVAL;
    }
    *buffer_count = (uint32_t)min_u64(bytes / config->chunk_bytes, BUFFERS_MAX);
    int error = pool_open(&shell->pool, *buffer_count, config->chunk_bytes);
    if (error != 0)
        return shell_fail(
            reason, error,
            "no memory for the buffer pool; give a smaller one with --pool or [pool] size");
    return 0;
}

/* Open files of the process itself, and of one drive while it is looked up and opened: its own,
 * those in /sys and /run, and a little to spare. */
enum { DESCRIPTORS_BASE = 32, DESCRIPTORS_PER_DRIVE = 6 };

/* Better no run than one in which some drives find no descriptor left. */
static int check_descriptors(const struct shell_config *config, char reason[SHELL_REASON_BYTES])
{
    uint64_t needed = DESCRIPTORS_BASE + (uint64_t)config->slot_count * DESCRIPTORS_PER_DRIVE;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return 0;
    (void)snprintf(reason, SHELL_REASON_BYTES,
                   "%u drives at once need up to %" PRIu64 " open files and the limit is %" PRIu64
                   ": use fewer, or raise it with `ulimit -n` (of a service: LimitNOFILE=)",
                   config->slot_count, needed, (uint64_t)limit.rlim_cur);
    return -EMFILE;
}

static int open_engines(struct shell *shell, const struct shell_config *config,
                        char reason[SHELL_REASON_BYTES])
{
    struct io_config io = {.loop = shell->loop,
                           .pool = shell->pool.memory,
                           .drives_max = config->slot_count,
                           .window = config->window};
    char why[256] = "";

    if (config->engine != ENGINE_THREADS)
        shell->kernel_engine = io_uring_engine_open(&io, why);
    if (config->engine == ENGINE_IO_URING && shell->kernel_engine == NULL) {
        (void)snprintf(reason, SHELL_REASON_BYTES, "%s", why);
        return -ENOSYS;
    }
    (void)snprintf(shell->engine_note, sizeof(shell->engine_note), "%s", why);
    shell->thread_engine = io_threads_engine_open(&io, why);
    if (shell->thread_engine == NULL) {
        (void)snprintf(reason, SHELL_REASON_BYTES, "%s", why);
        return -ENOMEM;
    }
    return 0;
}

static int open_workers(struct shell *shell, char reason[SHELL_REASON_BYTES])
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads =
        (unsigned)(processors < 1 ? 1 : min_u64((uint64_t)processors, WORKER_THREADS_MAX));
    int error = mailbox_open(&shell->mailbox, shell->loop);

    if (error != 0)
        return shell_fail(reason, error, "the event loop cannot be set up");
    shell->hashers = worker_start("hash", threads, &shell->mailbox);
    if (shell->hashers == NULL)
        return shell_fail(reason, -errno, "cannot start the hashing threads");
    return 0;
}

static int open_press(struct shell *shell, const struct shell_config *config, uint32_t buffer_count,
                      char reason[SHELL_REASON_BYTES])
{
    struct press_config press = {
        .slot_count = config->slot_count,
        .buffer_count = buffer_count,
        .chunk_bytes = config->chunk_bytes,
        .window = config->window,
        .stall_ns = config->stall_ns,
        .flush_ns = 2 * config->stall_ns,
        .master_ns = MASTER_NS_DEFAULT,
        .unplug_ns = config->unplug_ns,
    };
    shell->slots = calloc(config->slot_count, sizeof(*shell->slots));
    shell->slot_count = config->slot_count;
    shell->actions = calloc(1, sizeof(*shell->actions));
    shell->press_memory = malloc(press_memory_bytes(&press));
    if (shell->slots == NULL || shell->actions == NULL || shell->press_memory == NULL)
        return shell_fail(reason, -ENOMEM, "cannot set up the slots");
    shell->press = press_init(shell->press_memory, &press);
    return 0;
}

int shell_set_up(struct shell *shell, const struct shell_config *config,
                 char reason[SHELL_REASON_BYTES])
{
    uint32_t buffer_count = 0;
    int error = check_descriptors(config, reason);

    if (error == 0)
        error = open_pool(shell, config, &buffer_count, reason);
    if (error == 0)
        error = open_press(shell, config, buffer_count, reason);
    if (error == 0)
        error = open_engines(shell, config, reason);
    if (error == 0)
        error = open_workers(shell, reason);
    return error;
}
