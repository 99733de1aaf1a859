// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "daemon/images.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* A catalogue on a disk that may not answer: opening a source is a gate of our own. */

enum {
    CHUNK_BYTES = 4096,
    PATIENCE_MS = 60000, /* only a broken loader needs so long */
    WAIT_MS = 50,        /* for one that hangs */
};

static uv_loop_t loop;
static uv_timer_t patience;
static bool out_of_patience;
static struct mailbox mailbox;
static struct images *images;
static sem_t gate;
static atomic_bool hangs;
static atomic_int asked;  /* sources to open */
static atomic_int closed; /* sources */
static int loads;         /* that were told of */
static int last_error;
static char last_reason[IMAGE_REASON_BYTES];
static struct source *last_source;

int source_open(struct source *source, const char *text, const char *catalogue_directory,
                const char *manifest_path, char reason[IMAGE_REASON_BYTES])
{
    (void)text;
    (void)catalogue_directory;
    (void)manifest_path;
    (void)reason;
    asked++;
    if (hangs)
        (void)sem_wait(&gate);
    source->image.chunk_bytes = CHUNK_BYTES;
    source->has_manifest = true;
    return 0;
}

void source_close(struct source *source)
{
    (void)source;
    closed++;
}

static void on_done(void *context, const struct image_set *set)
{
    assert_ptr_equal(context, &loads);
    loads++;
    last_error = set->error;
    (void)snprintf(last_reason, sizeof(last_reason), "%s", set->reason);
    last_source = set->count > 0 ? set->sources[0] : NULL;
}

static int load(void)
{
    return images_load(images, "/nowhere", "films", CHUNK_BYTES, hangs ? WAIT_MS : PATIENCE_MS,
                       on_done, &loads);
}

static void wait_until(bool (*reached)(int count), int count)
{
    while (!reached(count)) {
        assert_false(out_of_patience);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
}

static bool told(int count)
{
    return loads >= count;
}

static bool are_closed(int count)
{
    return closed >= count;
}

static bool are_asked(int count)
{
    return asked >= count;
}

static void on_patience(uv_timer_t *timer)
{
    (void)timer;
    out_of_patience = true;
}

/* The images' thread lives as long as the process, and its loop too. */
static int setup(void **state)
{
    (void)state;
    return sem_init(&gate, 0, 0) == 0 && uv_loop_init(&loop) == 0 &&
                   uv_timer_init(&loop, &patience) == 0 &&
                   uv_timer_start(&patience, on_patience, PATIENCE_MS, 0) == 0 &&
                   mailbox_open(&mailbox, &loop) == 0 &&
                   (images = images_open(&loop, &mailbox)) != NULL
               ? 0
               : -1;
}

static void a_catalogue_that_does_not_answer_is_given_up(void **state)
{
    (void)state;
    hangs = true;
    assert_int_equal(load(), 0);
    wait_until(told, 1);
    assert_int_equal(last_error, -ETIMEDOUT);
    assert_string_equal(last_reason, "the catalogue /nowhere does not answer");
    assert_int_equal(images_error(last_error), WIRE_ERROR_IMAGE_MISSING);

    /* The next one is not held up by it. */
    hangs = false;
    assert_int_equal(load(), 0);
    wait_until(told, 2);
    assert_int_equal(last_error, 0);
    assert_int_equal(closed, 0);
    images_close_source(images, last_source);
    wait_until(are_closed, 1);

    /* What comes late after all is closed, and told to nobody. */
    assert_int_equal(sem_post(&gate), 0);
    wait_until(are_closed, 2);
    assert_int_equal(loads, 2);
}

static void who_gives_up_hears_nothing(void **state)
{
    int before = loads;

    (void)state;
    closed = 0;
    hangs = true;
    assert_int_equal(load(), 0);
    images_give_up(images);
    images_give_up(images);
    assert_int_equal(sem_post(&gate), 0);
    wait_until(are_closed, 1);
    assert_int_equal(loads, before);
}

static void hanging_threads_do_not_add_up(void **state)
{
    (void)state;
    closed = 0;
    asked = 0;
    hangs = true;
    for (int i = 0; i < IMAGES_HUNG_MAX; i++) {
        assert_int_equal(load(), 0);
        images_give_up(images);
    }
    wait_until(are_asked, IMAGES_HUNG_MAX);
    assert_int_equal(load(), -EBUSY);
    for (int i = 0; i < IMAGES_HUNG_MAX; i++)
        assert_int_equal(sem_post(&gate), 0);
    wait_until(are_closed, IMAGES_HUNG_MAX);
    int before = loads;
    hangs = false;
    assert_int_equal(load(), 0);
    wait_until(told, before + 1);
    images_close_source(images, last_source);
    wait_until(are_closed, IMAGES_HUNG_MAX + 1);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_catalogue_that_does_not_answer_is_given_up),
        cmocka_unit_test(who_gives_up_hears_nothing),
        cmocka_unit_test(hanging_threads_do_not_add_up),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
