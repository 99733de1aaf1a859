// SPDX-License-Identifier: GPL-3.0-or-later

/* simulator --seed N --runs M [--verbose] [--trace] [--tap]
 *
 * Runs the worlds of seeds N to N + M - 1 and stops at the first in which the core breaks a
 * promise: prints what is wrong and the trace of that world, and exits 1. Exit 2: wrong usage. */

#include "lib/base/check.h"
#include "tests/sim/world.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    uint64_t seed;
    uint64_t runs;
    const char *program;
    bool verbose;
    bool trace;
    bool tap;
};

/* From so many worlds on, a verdict or fault that never occurred is a gap in the worlds. */
enum { COVERAGE_RUNS_MIN = 10000 };

static jmp_buf world_over;
static char complaint[512];

_Noreturn void sim_complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(complaint, sizeof(complaint), format, arguments);
    va_end(arguments);
    longjmp(world_over, 1);
}

/* In place of lib/base/check.c: a failed check ends the world, and the seed is told. */
_Noreturn void check_failed(const char *condition, const char *file, int line, const char *function)
{
    sim_complain("check(%s) failed in %s at %s:%d", condition, function, file, line);
}

/* Runs one world. Returns false if there is a complaint. */
static bool run(struct world *world, uint64_t seed)
{
    if (setjmp(world_over) != 0)
        return false;
    world_run(world, seed);
    return true;
}

static bool parse_number(const char *text, uint64_t *value)
{
    char *end = NULL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    *options = (struct options){.program = argv[0], .seed = 1, .runs = 1000};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--seed") == 0 && more && parse_number(argv[i + 1], &options->seed))
            i++;
        else if (strcmp(argv[i], "--runs") == 0 && more &&
                 parse_number(argv[i + 1], &options->runs))
            i++;
        else if (strcmp(argv[i], "--verbose") == 0)
            options->verbose = true;
        else if (strcmp(argv[i], "--trace") == 0)
            options->trace = true;
        else if (strcmp(argv[i], "--tap") == 0)
            options->tap = true;
        else
            return false;
    }
    return options->runs > 0;
}

static bool verdict_can_occur(enum verdict verdict)
{
    /* These wait for parts of the core that do not exist yet. */
    return verdict != VERDICT_NONE && verdict != VERDICT_COUNTERFEIT && verdict != VERDICT_TOO_SLOW;
}

/* What worlds are made of, beside drives and their faults. */
static const struct {
    const char *name;
    size_t offset; /* of its count in struct sim_statistics */
} ingredients[] = {
#define INGREDIENT(name)                                                                           \
    {                                                                                              \
#name, offsetof(struct sim_statistics, name)                                               \
    }
    INGREDIENT(late_answers),     INGREDIENT(early_replugs),   INGREDIENT(lost_detaches),
    INGREDIENT(master_errors),    INGREDIENT(loads_again),     INGREDIENT(arms),
    INGREDIENT(disarms),          INGREDIENT(ready),           INGREDIENT(first_starts),
    INGREDIENT(second_starts),    INGREDIENT(futile_starts),   INGREDIENT(waits_for_owed),
    INGREDIENT(images_forgotten), INGREDIENT(images_replaced), INGREDIENT(smaller_images),
    INGREDIENT(strangers),        INGREDIENT(held_unplugged),  INGREDIENT(held_blamed),
    INGREDIENT(retold),           INGREDIENT(cleared),
#undef INGREDIENT
};

static uint64_t ingredient_count(const struct sim_statistics *statistics, size_t index)
{
    uint64_t count = 0;
    memcpy(&count, (const char *)statistics + ingredients[index].offset, sizeof(count));
    return count;
}

static void print_statistics(const struct sim_statistics *statistics)
{
    (void)printf("# worlds %" PRIu64 ", steps %" PRIu64 ", drives %" PRIu64 "\n",
                 statistics->worlds, statistics->steps, statistics->drives);
    for (enum verdict verdict = VERDICT_PASSED; verdict < VERDICT_COUNT; verdict++)
        (void)printf("# verdict %-14s %10" PRIu64 "\n", verdict_word(verdict),
                     statistics->verdicts[verdict]);
    for (enum drive_fault fault = 0; fault < FAULT_COUNT; fault++)
        (void)printf("# fault   %-14s %10" PRIu64 "\n", drive_fault_word(fault),
                     statistics->faults[fault]);
    (void)printf("# loads %" PRIu64 ", loads again %" PRIu64 ", bad loads %" PRIu64 "\n",
                 statistics->loads, statistics->loads_again, statistics->master_errors);
    (void)printf("# transfers moved apart %" PRIu64 "\n", statistics->moved_apart);
    for (size_t i = 0; i < array_count(ingredients); i++)
        (void)printf("# %-22s %10" PRIu64 "\n", ingredients[i].name,
                     ingredient_count(statistics, i));
}

/* Names what never occurred; returns how much. */
static unsigned print_gaps(const struct sim_statistics *statistics)
{
    unsigned gaps = 0;

    for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++) {
        if (verdict_can_occur(verdict) && statistics->verdicts[verdict] == 0) {
            (void)printf("# verdict %s never occurred\n", verdict_word(verdict));
            gaps++;
        }
    }
    for (enum drive_fault fault = 0; fault < FAULT_COUNT; fault++) {
        if (statistics->faults[fault] == 0) {
            (void)printf("# fault %s never occurred\n", drive_fault_word(fault));
            gaps++;
        }
    }
    for (size_t i = 0; i < array_count(ingredients); i++) {
        if (ingredient_count(statistics, i) == 0) {
            (void)printf("# %s never occurred\n", ingredients[i].name);
            gaps++;
        }
    }
    return gaps;
}

static void explain_failure(struct world *world, const struct options *options, uint64_t seed)
{
    char first[sizeof(complaint)];
    memcpy(first, complaint, sizeof(first));

    if (!options->trace) {
        world->trace = true;
        (void)run(world, seed);
    }
    if (options->tap)
        (void)printf("1..2\nnot ok 1 - the core keeps its promises in every world\n");
    (void)printf("# seed %" PRIu64 ": %s\n# after %" PRIu64 " good worlds\n", seed, first,
                 seed - options->seed);
    (void)printf("# reproduce: %s --seed %" PRIu64 " --runs 1 --trace\n", options->program, seed);
}

static int conclude(const struct options *options, const struct sim_statistics *statistics)
{
    bool covers = options->runs >= COVERAGE_RUNS_MIN;
    unsigned gaps = 0;

    if (options->tap)
        (void)printf("1..2\nok 1 - the core keeps its promises in every world\n");
    if (options->verbose)
        print_statistics(statistics);
    (void)printf("# %" PRIu64 " worlds from seed %" PRIu64 ", %" PRIu64 " drives, %" PRIu64
                 " passed: no complaint\n",
                 statistics->worlds, options->seed, statistics->drives,
                 statistics->verdicts[VERDICT_PASSED]);
    if (covers)
        gaps = print_gaps(statistics);
    if (options->tap)
        (void)printf("%s 2 - every verdict and every fault occurred%s\n",
                     gaps > 0 ? "not ok" : "ok", covers ? "" : " # SKIP too few worlds");
    return gaps > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    static struct world world;
    static struct action_list actions;
    static struct sim_statistics statistics;
    struct options options;

    if (!parse_options(argc, argv, &options)) {
        (void)fprintf(stderr,
                      "usage: simulator [--seed N] [--runs M] [--verbose] [--trace] [--tap]\n");
        return 2;
    }
    world.arena = malloc(WORLD_ARENA_BYTES);
    if (world.arena == NULL) {
        (void)fprintf(stderr, "simulator: no memory\n");
        return 2;
    }
    world.actions = &actions;
    world.statistics = &statistics;
    world.trace = options.trace;
    world.trace_prefix = options.tap ? "# " : "";
    int code = 0;
    for (uint64_t i = 0; i < options.runs && code == 0; i++) {
        if (!run(&world, options.seed + i)) {
            explain_failure(&world, &options, options.seed + i);
            code = 1;
        }
    }
    if (code == 0)
        code = conclude(&options, &statistics);
    free(world.arena);
    return code;
}
