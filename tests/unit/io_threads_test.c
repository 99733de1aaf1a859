// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/io.h"
#include "lib/base/check.h"
#include "lib/base/container.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The thread engine under a real loop, with media whose calls wait until the test lets them go on.
 */

enum { REQUESTS = 4, DATA_BYTES = 64 };

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    unsigned waiting;
};

struct test_medium {
    struct medium medium;
    struct gate gate;
    char content[REQUESTS * DATA_BYTES];
    int error; /* of every call */
    unsigned calls;
};

struct rig {
    uv_loop_t loop;
    struct mailbox mailbox;
    struct io_engine *engine;
    struct io_drive drives[2];
    struct test_medium media[2];
    struct io_request requests[2][REQUESTS];
    char data[2][REQUESTS][DATA_BYTES];
    unsigned done_count;
    struct io_request *done[2 * REQUESTS];
    pthread_t loop_thread;
};

static struct rig rig;

static int call(struct test_medium *medium)
{
    struct gate *gate = &medium->gate;

    (void)pthread_mutex_lock(&gate->lock);
    medium->calls++;
    gate->waiting++;
    (void)pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        (void)pthread_cond_wait(&gate->changed, &gate->lock);
    gate->waiting--;
    (void)pthread_mutex_unlock(&gate->lock);
    return medium->error;
}

static int test_read(struct medium *medium, void *data, uint32_t length_bytes,
                     uint64_t offset_bytes)
{
    struct test_medium *test = container_of(medium, struct test_medium, medium);
    int error = call(test);

    if (error == 0)
        memcpy(data, test->content + offset_bytes, length_bytes);
    return error;
}

static int test_write(struct medium *medium, const void *data, uint32_t length_bytes,
                      uint64_t offset_bytes)
{
    struct test_medium *test = container_of(medium, struct test_medium, medium);
    int error = call(test);

    if (error == 0)
        memcpy(test->content + offset_bytes, data, length_bytes);
    return error;
}

static const struct medium_ops test_ops = {.read = test_read, .write = test_write};

static void open_gate(struct test_medium *medium)
{
    (void)pthread_mutex_lock(&medium->gate.lock);
    medium->gate.open = true;
    (void)pthread_cond_broadcast(&medium->gate.changed);
    (void)pthread_mutex_unlock(&medium->gate.lock);
}

static void wait_for_call(struct test_medium *medium)
{
    (void)pthread_mutex_lock(&medium->gate.lock);
    while (medium->gate.waiting == 0)
        (void)pthread_cond_wait(&medium->gate.changed, &medium->gate.lock);
    (void)pthread_mutex_unlock(&medium->gate.lock);
}

static void on_done(struct io_request *request)
{
    check(pthread_equal(pthread_self(), rig.loop_thread) != 0);
    rig.done[rig.done_count++] = request;
}

static void run_until_done(unsigned count)
{
    while (rig.done_count < count)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
}

static void submit(unsigned drive, unsigned number, enum io_kind kind)
{
    struct io_request *request = &rig.requests[drive][number];

    *request = (struct io_request){
        .kind = kind,
        .data = rig.data[drive][number],
        .length_bytes = DATA_BYTES,
        .offset_bytes = (uint64_t)number * DATA_BYTES,
        .drive = &rig.drives[drive],
        .error = 1,
        .done = on_done,
    };
    rig.engine->ops->submit(rig.engine, request);
}

static int setup(void **state)
{
    char reason[256];

    (void)state;
    memset(&rig, 0, sizeof(rig));
    rig.loop_thread = pthread_self();
    assert_int_equal(uv_loop_init(&rig.loop), 0);
    assert_int_equal(mailbox_open(&rig.mailbox, &rig.loop), 0);
    rig.engine = io_threads_engine_open(&(struct io_config){.loop = &rig.loop}, reason);
    assert_non_null(rig.engine);
    for (unsigned i = 0; i < 2; i++) {
        rig.media[i].medium = (struct medium){.ops = &test_ops, .fd = -1};
        (void)pthread_mutex_init(&rig.media[i].gate.lock, NULL);
        (void)pthread_cond_init(&rig.media[i].gate.changed, NULL);
        rig.drives[i].medium = &rig.media[i].medium;
        rig.drives[i].worker = worker_start("test", 1, &rig.mailbox);
        assert_non_null(rig.drives[i].worker);
        assert_int_equal(rig.engine->ops->add(rig.engine, &rig.drives[i]), 0);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        rig.engine->ops->remove(rig.engine, &rig.drives[i]);
        worker_release(rig.drives[i].worker);
    }
    rig.engine->ops->close(rig.engine);
    mailbox_close(&rig.mailbox);
    (void)uv_run(&rig.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig.loop), 0);
    return 0;
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    open_gate(&rig.media[0]);
    for (unsigned i = 0; i < REQUESTS; i++) {
        memset(rig.data[0][i], 'a' + (int)i, DATA_BYTES);
        submit(0, i, IO_KIND_WRITE);
    }
    assert_int_equal(rig.done_count, 0); /* never from inside submit */
    assert_int_equal(rig.drives[0].in_flight, REQUESTS);
    rig.engine->ops->kick(rig.engine);
    run_until_done(REQUESTS);
    assert_int_equal(rig.drives[0].in_flight, 0);
    for (unsigned i = 0; i < REQUESTS; i++) {
        assert_ptr_equal(rig.done[i], &rig.requests[0][i]); /* in the order of submission */
        assert_int_equal(rig.requests[0][i].error, 0);
        memset(rig.data[0][i], 0, DATA_BYTES);
        submit(0, i, IO_KIND_READ);
    }
    run_until_done(2 * REQUESTS);
    for (unsigned i = 0; i < REQUESTS; i++) {
        assert_int_equal(rig.requests[0][i].error, 0);
        assert_int_equal(rig.data[0][i][0], 'a' + (int)i);
        assert_int_equal(rig.data[0][i][DATA_BYTES - 1], 'a' + (int)i);
    }
}

static void error_reaches_the_request(void **state)
{
    (void)state;
    rig.media[0].error = -EIO;
    open_gate(&rig.media[0]);
    submit(0, 0, IO_KIND_WRITE);
    submit(0, 1, IO_KIND_READ);
    run_until_done(2);
    assert_int_equal(rig.requests[0][0].error, -EIO);
    assert_int_equal(rig.requests[0][1].error, -EIO);
}

static void hung_drive_holds_up_no_other(void **state)
{
    (void)state;
    submit(0, 0, IO_KIND_WRITE);
    wait_for_call(&rig.media[0]);
    open_gate(&rig.media[1]);
    for (unsigned i = 0; i < REQUESTS; i++)
        submit(1, i, IO_KIND_WRITE);
    run_until_done(REQUESTS);
    for (unsigned i = 0; i < REQUESTS; i++)
        assert_ptr_equal(rig.done[i]->drive, &rig.drives[1]);
    assert_int_equal(rig.drives[0].in_flight, 1);
    open_gate(&rig.media[0]);
    run_until_done(REQUESTS + 1);
}

static void cancelled_requests_do_not_begin(void **state)
{
    (void)state;
    submit(0, 0, IO_KIND_WRITE);
    submit(0, 1, IO_KIND_WRITE);
    submit(0, 2, IO_KIND_READ);
    submit(1, 0, IO_KIND_WRITE);
    wait_for_call(&rig.media[0]);
    rig.engine->ops->cancel(rig.engine, &rig.drives[0]);
    open_gate(&rig.media[0]);
    open_gate(&rig.media[1]);
    run_until_done(4);
    assert_int_equal(rig.requests[0][0].error, 0); /* it had begun */
    assert_int_equal(rig.requests[0][1].error, -ECANCELED);
    assert_int_equal(rig.requests[0][2].error, -ECANCELED);
    assert_int_equal(rig.requests[1][0].error, 0); /* another drive */
    assert_int_equal(rig.media[0].calls, 1);
}

static void drive_that_is_added_again_is_not_cancelled(void **state)
{
    (void)state;
    rig.engine->ops->cancel(rig.engine, &rig.drives[0]);
    rig.engine->ops->remove(rig.engine, &rig.drives[0]);
    assert_int_equal(rig.engine->ops->add(rig.engine, &rig.drives[0]), 0);
    open_gate(&rig.media[0]);
    submit(0, 0, IO_KIND_WRITE);
    run_until_done(1);
    assert_int_equal(rig.requests[0][0].error, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_back),
        TEST(error_reaches_the_request),
        TEST(hung_drive_holds_up_no_other),
        TEST(cancelled_requests_do_not_begin),
        TEST(drive_that_is_added_again_is_not_cancelled),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("io_threads", tests, NULL, NULL);
}
