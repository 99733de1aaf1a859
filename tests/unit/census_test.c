// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/units.h"
#include "lib/rig/census.h"

static struct census *census;
static uint64_t now_ns; /* of what has no time of its own */
static char told[4096];

static void on_appeared(void *context, const struct sighting *sighting, uint64_t plugged_ns)
{
    size_t used = strlen(told);
    assert_ptr_equal(context, &told);
    (void)snprintf(told + used, sizeof(told) - used, "+%s@%llu ", sighting->path,
                   (unsigned long long)plugged_ns);
}

static void on_vanished(void *context, const struct sighting *sighting)
{
    size_t used = strlen(told);
    assert_ptr_equal(context, &told);
    (void)snprintf(told + used, sizeof(told) - used, "-%s:%llu ", sighting->path,
                   (unsigned long long)sighting->capacity_bytes);
}

static int new_census(void **state)
{
    static const struct census_events events = {&told, on_appeared, on_vanished};
    (void)state;
    told[0] = '\0';
    now_ns = 3000;
    census = census_new(&events);
    return census == NULL;
}

static int free_census(void **state)
{
    (void)state;
    census_free(census);
    return 0;
}

/* A stick of 100 bytes in its own port, plugged in at 1000 and seen at 2000. */
static struct sighting stick(const char *path)
{
    struct sighting sighting = {.minor = 1,
                                .diskseq = 1,
                                .capacity_bytes = 100,
                                .identity = 1,
                                .plugged_ns = 1000,
                                .seen_ns = 2000,
                                .processed = true,
                                .claimed = true};
    (void)snprintf(sighting.path, sizeof(sighting.path), "%s", path);
    assert_int_equal(port_parse(&sighting.port, "0000:00:14.0/usb2/1"), 0);
    return sighting;
}

static void see(const struct sighting *sighting)
{
    assert_true(census_see(census, sighting));
}

/* A first scan that finds nothing. */
static void settle(void)
{
    census_scan_begin(census);
    census_scan_end(census, now_ns);
}

static void assert_told(const char *expected)
{
    assert_string_equal(told, expected);
    told[0] = '\0';
}

static void the_first_scan_finds_what_was_there_before(void **state)
{
    (void)state;
    struct sighting early = stick("a");
    struct sighting scanned = stick("b");
    see(&early);
    assert_told("+a@0 ");
    census_scan_begin(census);
    see(&early);
    see(&scanned);
    census_scan_end(census, now_ns);
    assert_told("+b@0 ");
}

static void what_comes_later_has_its_time(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    assert_told("+a@1000 ");
}

static void what_is_seen_again_is_not_told_again(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    assert_told("+a@1000 ");
    sighting.seen_ns = 3000;
    see(&sighting);
    sighting.plugged_ns = 1001; /* it is reckoned anew each time */
    see(&sighting);
    census_scan_begin(census);
    see(&sighting);
    census_scan_end(census, now_ns);
    assert_told("");
}

static void what_is_removed_vanishes_once(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    census_remove(census, "b", now_ns);
    assert_told("+a@1000 ");
    census_remove(census, "a", now_ns);
    census_remove(census, "a", now_ns + 1);
    assert_told("-a:100 ");
    sighting.plugged_ns = now_ns + CENSUS_RETURN_NS;
    see(&sighting);
    assert_told("+a@1000003000 ");
}

static void a_scan_finds_what_was_missed(void **state)
{
    (void)state;
    struct sighting gone = stick("a");
    struct sighting kept = stick("b");
    struct sighting new = stick("c");
    new.identity = 2;
    settle();
    see(&gone);
    see(&kept);
    told[0] = '\0';
    new.plugged_ns = 4000;
    census_scan_begin(census);
    see(&new);
    see(&kept);
    assert_told("");
    census_scan_end(census, now_ns);
    /* What is gone first: the new one may be in its port. */
    assert_told("-a:100 +c@4000 ");
    census_scan_begin(census);
    census_scan_end(census, now_ns);
    assert_told("-c:100 -b:100 ");
}

static void what_is_removed_while_a_scan_finds_it_was_never_there(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    census_scan_begin(census);
    see(&sighting);
    census_remove(census, "a", now_ns);
    census_scan_end(census, now_ns);
    assert_told("");
}

static void a_reader_without_a_medium_is_no_drive(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    sighting.capacity_bytes = 0;
    settle();
    see(&sighting);
    census_remove(census, "a", now_ns);
    assert_told("");
}

static void a_medium_that_comes_into_an_empty_reader_is_new(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    sighting.capacity_bytes = 0;
    census_scan_begin(census);
    see(&sighting);
    census_scan_end(census, now_ns);
    sighting.capacity_bytes = 200;
    sighting.diskseq = 2;
    sighting.seen_ns = 7000;
    see(&sighting);
    assert_told("+a@7000 ");
    sighting.capacity_bytes = 0;
    sighting.seen_ns = 8000;
    see(&sighting);
    assert_told("-a:200 ");
    sighting.capacity_bytes = 200;
    sighting.diskseq = 3;
    sighting.seen_ns = 8000 + CENSUS_MEDIUM_RETURN_NS;
    see(&sighting);
    assert_told("+a@2000008000 ");
}

static void a_medium_that_came_before_the_first_scan_ended_is_old(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    census_scan_begin(census);
    sighting.capacity_bytes = 0;
    see(&sighting);
    sighting.capacity_bytes = 200;
    see(&sighting);
    census_scan_end(census, now_ns);
    assert_told("+a@0 ");
}

static void a_medium_that_was_never_seen_missing_may_be_the_same(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    told[0] = '\0';
    sighting.diskseq = 2;
    sighting.seen_ns = 7000;
    see(&sighting);
    assert_told("-a:100 +a@0 ");
    sighting.diskseq = 3;
    sighting.capacity_bytes = 200;
    sighting.seen_ns = 8000;
    see(&sighting);
    assert_told("-a:100 +a@8000 ");
}

static void another_device_under_the_same_name_is_new(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    told[0] = '\0';
    sighting.diskseq = 2;
    sighting.identity = 2;
    sighting.plugged_ns = 5000;
    sighting.seen_ns = 6000;
    see(&sighting);
    assert_told("-a:100 +a@5000 ");
    sighting.minor = 17;
    sighting.identity = 1;
    sighting.plugged_ns = 7000;
    sighting.seen_ns = 8000;
    see(&sighting);
    assert_told("-a:100 +a@7000 ");
    sighting.diskseq = 3; /* it looks the same: nobody can tell */
    sighting.plugged_ns = 9000;
    sighting.seen_ns = 10000;
    see(&sighting);
    assert_told("-a:100 +a@0 ");
}

static void a_kernel_without_sequence_numbers_is_no_trouble(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    sighting.diskseq = 0;
    see(&sighting);
    sighting.diskseq = 5;
    see(&sighting);
    assert_told("+a@1000 ");
}

static void what_udev_says_of_a_disk_can_change(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    sighting.claimed = false;
    see(&sighting);
    told[0] = '\0';
    sighting.seen_ns = 9000;
    sighting.claimed = true;
    see(&sighting);
    assert_told("-a:100 +a@0 ");
    sighting.foreign = true;
    see(&sighting);
    assert_told("-a:100 +a@0 ");
    sighting.lun = 1;
    see(&sighting);
    assert_told("-a:100 +a@0 ");
    assert_int_equal(port_parse(&sighting.port, "0000:00:14.0/usb2/2"), 0);
    see(&sighting);
    assert_told("-a:100 +a@0 ");
}

/* It never went, and it may have been done: a mark that flickers does not plug it in. */
static void what_is_told_otherwise_and_back_is_no_new_drive(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    assert_told("+a@1000 ");
    sighting.claimed = false;
    see(&sighting);
    assert_told("-a:100 +a@0 ");
    sighting.claimed = true;
    see(&sighting);
    assert_told("-a:100 +a@0 ");
}

/* A scan in a flood may find a stick before udev does. */
static void what_was_seen_before_udev_had_looked_at_it_keeps_its_time(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    sighting.processed = false;
    sighting.claimed = false;
    see(&sighting);
    assert_told("+a@1000 ");
    sighting.processed = true;
    sighting.claimed = true;
    see(&sighting);
    assert_told("-a:100 +a@1000 ");
}

/* --- What drops off for a moment ---------------------------------------------------------------- */

/* Removes a stick at `now_ns` and lets it come again so much later, under another name. */
static void return_after(struct sighting *sighting, uint64_t missing_ns)
{
    census_remove(census, sighting->path, now_ns);
    told[0] = '\0';
    sighting->path[0] = sighting->path[0] == 'a' ? 'b' : 'a';
    sighting->diskseq++;
    sighting->plugged_ns = now_ns + missing_ns;
    sighting->seen_ns = sighting->plugged_ns + NS_PER_S;
    now_ns = sighting->seen_ns;
    see(sighting);
}

static void a_stick_that_is_back_at_once_is_not_new(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    return_after(&sighting, CENSUS_RETURN_NS - 1);
    assert_told("+b@0 ");
    return_after(&sighting, NS_PER_MS);
    assert_told("+a@0 ");
    return_after(&sighting, CENSUS_RETURN_NS);
    assert_string_not_equal(told, "+b@0 ");
}

static void another_stick_is_new_at_once(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    sighting.identity = 2;
    return_after(&sighting, NS_PER_MS);
    assert_string_not_equal(told, "+b@0 ");
    sighting.capacity_bytes = 101;
    return_after(&sighting, NS_PER_MS);
    assert_string_not_equal(told, "+a@0 ");
    assert_int_equal(port_parse(&sighting.port, "0000:00:14.0/usb2/2"), 0);
    return_after(&sighting, NS_PER_MS);
    assert_string_not_equal(told, "+b@0 ");
    sighting.lun = 1;
    return_after(&sighting, NS_PER_MS);
    assert_string_not_equal(told, "+a@0 ");
}

/* Unbinding its driver, or udevadm trigger, does not plug a stick in. */
static void a_stick_that_never_left_its_port_is_not_new(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    now_ns = 3600 * NS_PER_S;
    census_remove(census, "a", now_ns);
    told[0] = '\0';
    sighting.seen_ns = 2 * now_ns;
    see(&sighting);
    assert_told("+a@0 ");
}

static void a_stick_whose_return_a_scan_finds_is_not_new(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    told[0] = '\0';
    now_ns = 7200 * NS_PER_S;
    sighting.path[0] = 'b';
    sighting.plugged_ns = now_ns - 2 * NS_PER_S;
    census_scan_begin(census);
    see(&sighting);
    census_scan_end(census, now_ns);
    assert_told("-a:100 +b@0 ");
}

static void a_medium_that_is_back_at_once_is_not_new(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    sighting.capacity_bytes = 0;
    sighting.seen_ns = 8000;
    see(&sighting);
    told[0] = '\0';
    sighting.capacity_bytes = 100;
    sighting.diskseq = 2;
    sighting.seen_ns = 8000 + CENSUS_MEDIUM_RETURN_NS - 1;
    see(&sighting);
    assert_told("+a@0 ");
    sighting.capacity_bytes = 0;
    see(&sighting);
    sighting.capacity_bytes = 200;
    told[0] = '\0';
    see(&sighting);
    assert_string_not_equal(told, "+a@0 ");
}

static void a_stick_that_is_back_may_find_its_medium_later(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    settle();
    see(&sighting);
    sighting.capacity_bytes = 0;
    return_after(&sighting, NS_PER_MS);
    assert_told("");
    sighting.capacity_bytes = 100;
    sighting.diskseq++;
    sighting.seen_ns += CENSUS_MEDIUM_RETURN_NS - 1;
    see(&sighting);
    assert_told("+b@0 ");
}

static void many_places_are_remembered(void **state)
{
    (void)state;
    settle();
    for (unsigned i = 0; i < CENSUS_PLACES_MAX + 2; i++) {
        char port[64];
        struct sighting sighting = stick("a");
        (void)snprintf(port, sizeof(port), "c%u/usb2/1", i);
        assert_int_equal(port_parse(&sighting.port, port), 0);
        see(&sighting);
        census_remove(census, "a", now_ns);
        told[0] = '\0';
    }
    struct sighting sighting = stick("a");
    assert_int_equal(port_parse(&sighting.port, "c2/usb2/1"), 0);
    see(&sighting);
    assert_told("+a@0 ");
    census_remove(census, "a", now_ns);
    told[0] = '\0';
    assert_int_equal(port_parse(&sighting.port, "c1/usb2/1"), 0);
    see(&sighting);
    assert_told("+a@1000 ");
}

static void what_was_there_before_stays_old_when_it_is_claimed_later(void **state)
{
    (void)state;
    struct sighting sighting = stick("a");
    sighting.claimed = false;
    census_scan_begin(census);
    see(&sighting);
    census_scan_end(census, now_ns);
    told[0] = '\0';
    sighting.claimed = true;
    see(&sighting);
    assert_told("-a:100 +a@0 ");
}

static void a_full_census_takes_no_more_disks(void **state)
{
    (void)state;
    char path[32];
    settle();
    for (unsigned i = 0; i < CENSUS_DISKS_MAX; i++) {
        (void)snprintf(path, sizeof(path), "%u", i);
        struct sighting sighting = stick(path);
        see(&sighting);
        told[0] = '\0';
    }
    struct sighting more = stick("more");
    assert_false(census_see(census, &more));
    assert_told("");
    struct sighting known = stick("7");
    assert_true(census_see(census, &known));
    census_remove(census, "7", now_ns);
    told[0] = '\0';
    assert_int_equal(port_parse(&more.port, "0000:00:14.0/usb2/2"), 0);
    see(&more);
    assert_told("+more@1000 ");
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define with_census(test) cmocka_unit_test_setup_teardown(test, new_census, free_census)
    const struct CMUnitTest tests[] = {
        with_census(the_first_scan_finds_what_was_there_before),
        with_census(what_comes_later_has_its_time),
        with_census(what_is_seen_again_is_not_told_again),
        with_census(what_is_removed_vanishes_once),
        with_census(a_scan_finds_what_was_missed),
        with_census(what_is_removed_while_a_scan_finds_it_was_never_there),
        with_census(a_reader_without_a_medium_is_no_drive),
        with_census(a_medium_that_comes_into_an_empty_reader_is_new),
        with_census(a_medium_that_came_before_the_first_scan_ended_is_old),
        with_census(a_medium_that_was_never_seen_missing_may_be_the_same),
        with_census(another_device_under_the_same_name_is_new),
        with_census(a_kernel_without_sequence_numbers_is_no_trouble),
        with_census(what_udev_says_of_a_disk_can_change),
        with_census(what_is_told_otherwise_and_back_is_no_new_drive),
        with_census(what_was_seen_before_udev_had_looked_at_it_keeps_its_time),
        with_census(a_stick_that_is_back_at_once_is_not_new),
        with_census(another_stick_is_new_at_once),
        with_census(a_stick_that_never_left_its_port_is_not_new),
        with_census(a_stick_whose_return_a_scan_finds_is_not_new),
        with_census(a_medium_that_is_back_at_once_is_not_new),
        with_census(a_stick_that_is_back_may_find_its_medium_later),
        with_census(many_places_are_remembered),
        with_census(what_was_there_before_stays_old_when_it_is_claimed_later),
        with_census(a_full_census_takes_no_more_disks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
