// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "daemon/watchdog.h"

#include "lib/base/container.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The watchdog with a service manager of our own: a socket that counts how often it was fed. */

enum {
    HASHERS = 3,
    PATIENCE_MS = 60000, /* only a broken watchdog needs so long */
    ROUND_MS = 10,
    ROUNDS = 20, /* in which a watchdog that should not be fed would be */
};

static uv_loop_t loop;
static struct mailbox mailbox;
static struct worker *hashers;
static struct watchdog *watchdog; /* NULL: none runs */
static int manager_fd;
static char told[1024]; /* what the manager was told last, but for feedings */
static unsigned feedings;
static uv_timer_t ticker;
static unsigned ticks;

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    ticks++;
}

static void stop(void)
{
    watchdog_stop(watchdog);
    watchdog = NULL;
}

static int setup(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof(address);
    char name[sizeof(address.sun_path) + 1];
    char text[32];

    (void)state;
    /* Bound to a name of the kernel's choice that is in no file system, "@" for sd_notify. */
    manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(manager_fd, (const struct sockaddr *)&address, sizeof(sa_family_t)) != 0 ||
        getsockname(manager_fd, (struct sockaddr *)&address, &length) != 0)
        return -1;
    (void)snprintf(name, sizeof(name), "@%.*s",
                   (int)(length - offsetof(struct sockaddr_un, sun_path) - 1),
                   address.sun_path + 1);
    (void)snprintf(text, sizeof(text), "%d", ROUND_MS * 2 * 1000);
    (void)setenv("NOTIFY_SOCKET", name, 1);
    (void)setenv("WATCHDOG_USEC", text, 1);
    feedings = 0;
    ticks = 0;
    if (uv_loop_init(&loop) != 0 || mailbox_open(&mailbox, &loop) != 0 ||
        uv_timer_init(&loop, &ticker) != 0 || uv_timer_start(&ticker, on_tick, 1, ROUND_MS) != 0)
        return -1;
    hashers = worker_start("hasher", HASHERS, &mailbox);
    return hashers != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    if (watchdog != NULL)
        stop();
    worker_release(hashers);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    mailbox_close(&mailbox);
    uv_close((uv_handle_t *)&ticker, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)close(manager_fd);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    return uv_loop_close(&loop);
}

/* Takes what the manager was told. */
static void listen_to_manager(void)
{
    char text[sizeof(told)];
    ssize_t length = 0;

    while ((length = recv(manager_fd, text, sizeof(text) - 1, 0)) >= 0) {
        text[length] = '\0';
        if (strcmp(text, "WATCHDOG=1") == 0)
            feedings++;
        else
            memcpy(told, text, sizeof(told));
    }
}

static void wait_for_feedings(unsigned count)
{
    while (feedings < count && ticks < PATIENCE_MS / ROUND_MS) {
        (void)uv_run(&loop, UV_RUN_ONCE);
        listen_to_manager();
    }
    assert_true(feedings >= count);
}

/* How often it is fed while some rounds could go by. */
static unsigned feedings_from_now(void)
{
    unsigned end = ticks + ROUNDS;

    listen_to_manager();
    feedings = 0;
    while (ticks < end) {
        (void)uv_run(&loop, UV_RUN_ONCE);
        listen_to_manager();
    }
    return feedings;
}

/* A task that hangs until it is let go. */
struct hanging {
    struct task task;
    atomic_bool began;
    sem_t let_go;
    bool delivered;
};

static void hang(struct task *task)
{
    struct hanging *hanging = container_of(task, struct hanging, task);
    hanging->began = true;
    (void)sem_wait(&hanging->let_go);
}

static void on_hanging_done(struct mail *mail)
{
    container_of(mail, struct hanging, task.done)->delivered = true;
}

static void start_hanging(struct hanging *hanging)
{
    *hanging = (struct hanging){.task = {.run = hang, .done.deliver = on_hanging_done}};
    assert_int_equal(sem_init(&hanging->let_go, 0, 0), 0);
    worker_submit(hashers, &hanging->task);
    while (!hanging->began && ticks < PATIENCE_MS / ROUND_MS)
        (void)uv_run(&loop, UV_RUN_ONCE);
    assert_true(hanging->began);
}

static void end_hanging(struct hanging *hanging)
{
    (void)sem_post(&hanging->let_go);
    while (!hanging->delivered && ticks < PATIENCE_MS / ROUND_MS)
        (void)uv_run(&loop, UV_RUN_ONCE);
    assert_true(hanging->delivered);
}

static void it_is_fed_while_all_is_well(void **state)
{
    (void)state;
    watchdog = watchdog_start(&loop, hashers, NULL);
    assert_non_null(watchdog);
    wait_for_feedings(3);
    stop();
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(feedings_from_now(), 0);
}

static void one_hanging_hasher_stops_it_until_it_is_back(void **state)
{
    struct hanging hanging;

    (void)state;
    watchdog = watchdog_start(&loop, hashers, NULL);
    wait_for_feedings(1);
    start_hanging(&hanging);
    /* It may have answered for the round that was under way. */
    assert_true(feedings_from_now() <= 1);
    assert_int_equal(feedings_from_now(), 0);
    end_hanging(&hanging);
    wait_for_feedings(2);
    stop();
}

static void busy_hashers_are_well(void **state)
{
    struct hanging hanging[HASHERS];

    (void)state;
    for (int i = 0; i < HASHERS; i++)
        start_hanging(&hanging[i]);
    watchdog = watchdog_start(&loop, hashers, NULL);
    assert_int_equal(feedings_from_now(), 0);
    /* Each answers as soon as it is done with its task, however many wait. */
    for (int i = 0; i < HASHERS; i++)
        end_hanging(&hanging[i]);
    wait_for_feedings(1);
    stop();
}

static void it_can_be_stopped_while_a_hasher_hangs(void **state)
{
    struct hanging hanging;

    (void)state;
    start_hanging(&hanging);
    watchdog = watchdog_start(&loop, hashers, NULL);
    assert_int_equal(feedings_from_now(), 0);
    stop();
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    end_hanging(&hanging);
    /* A later one asks anew. */
    watchdog = watchdog_start(&loop, hashers, NULL);
    wait_for_feedings(2);
    stop();
}

/* An engine that answers when it is told to. */
static struct {
    void (*done)(void *context);
    void *context;
} probe;

static void keep_probe(struct io_engine *engine, void (*done)(void *context), void *context)
{
    (void)engine;
    assert_null(probe.done); /* one at a time */
    probe.done = done;
    probe.context = context;
}

static void answer_probe(void)
{
    void (*done)(void *context) = probe.done;

    assert_non_null(done);
    probe.done = NULL;
    done(probe.context);
}

static void an_engine_that_does_not_answer_stops_it(void **state)
{
    static const struct io_ops ops = {.name = "test", .probe = keep_probe};
    struct io_engine engine = {&ops};

    (void)state;
    watchdog = watchdog_start(&loop, hashers, &engine);
    assert_int_equal(feedings_from_now(), 0);
    answer_probe();
    wait_for_feedings(1);
    assert_int_equal(feedings_from_now(), 0);
    /* It is not touched any more when the answer comes after all was stopped. */
    stop();
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    answer_probe();
    assert_int_equal(feedings_from_now(), 0);
    /* Nor when it comes before the loop went round. */
    watchdog = watchdog_start(&loop, hashers, &engine);
    assert_int_equal(feedings_from_now(), 0);
    stop();
    answer_probe();
}

static void the_kernels_engine_answers(void **state)
{
    enum { POOL_BYTES = 1 << 20 };
    char reason[256] = "";
    struct io_config config = {.loop = &loop, .drives_max = 2, .window = 2};

    (void)state;
    config.pool.iov_base =
        mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    config.pool.iov_len = POOL_BYTES;
    assert_ptr_not_equal(config.pool.iov_base, MAP_FAILED);
    struct io_engine *engine = io_uring_engine_open(&config, reason);
    if (engine == NULL) {
        print_message("# %s\n", reason);
        skip();
    }
    watchdog = watchdog_start(&loop, hashers, engine);
    wait_for_feedings(3);
    stop();
    engine->ops->close(engine);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    (void)munmap(config.pool.iov_base, POOL_BYTES);
}

static void it_does_nothing_where_nobody_wants_it(void **state)
{
    (void)state;
    (void)setenv("WATCHDOG_PID", "1", 1); /* another process is watched */
    watchdog = watchdog_start(&loop, hashers, NULL);
    assert_non_null(watchdog);
    assert_int_equal(feedings_from_now(), 0);
    stop();
}

static void the_manager_is_told_how_we_are(void **state)
{
    unsigned long long when_us = 0;

    (void)state;
    watchdog_ready();
    listen_to_manager();
    assert_string_equal(told, "READY=1");
    watchdog_reloading();
    listen_to_manager();
    assert_int_equal(sscanf(told, "RELOADING=1\nMONOTONIC_USEC=%llu", &when_us), 1);
    assert_true(when_us > 0);
    watchdog_stopping();
    listen_to_manager();
    assert_string_equal(told, "STOPPING=1");
    watchdog_status("%d drives, armed for %s", 3, "x\nREADY=1");
    listen_to_manager();
    assert_string_equal(told, "STATUS=3 drives, armed for x?READY=1");
    (void)unsetenv("NOTIFY_SOCKET");
    watchdog_status("nobody listens");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        TEST(it_is_fed_while_all_is_well),
        TEST(one_hanging_hasher_stops_it_until_it_is_back),
        TEST(busy_hashers_are_well),
        TEST(it_can_be_stopped_while_a_hasher_hangs),
        TEST(an_engine_that_does_not_answer_stops_it),
        TEST(the_kernels_engine_answers),
        TEST(it_does_nothing_where_nobody_wants_it),
        TEST(the_manager_is_told_how_we_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
