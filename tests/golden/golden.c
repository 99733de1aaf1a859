// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/base/check.h"
#include "lib/core/trace.h"
#include "tests/support/core_rig.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

/* Runs scenarios and compares what the core did with what it is known to do, line by line.
 *
 *     golden [--update] [SCENARIO...]     all of tests/golden without a SCENARIO
 *
 * X.scenario is a story that people write, X.golden the trace that it causes; --update writes the
 * latter anew, for people to read and approve. A scenario has one command a line, `#` begins a
 * comment, and `at MS` before a command lets the time go on until then, from 1 s as 0:
 *
 *     slots N                         first; then any setup
 *     master MS                       how long the master needs per chunk
 *     drive SLOT MS                   how long that drive needs per chunk
 *     late MS                         how long requests outlive their drive
 *     drive-chunks SLOT CHUNKS        how much the drive that comes next can hold
 *     unplug MS                       how long an error may still turn out to be a removal
 *     image CHUNKS manifest|bare      the first one starts the core; numbers are given from 0 on
 *     forget IMAGE
 *     arm write+verify|verify [IMAGE...]   image 0 without an IMAGE
 *     disarm
 *     fill SLOT [IMAGE]               the drive that comes next holds it already
 *     attach SLOT [before]            it was in before anybody looked
 *     detach SLOT  start SLOT  stop SLOT  release
 *     fault load CHUNK ANSWER TIMES
 *     fault write|read SLOT CHUNK ANSWER TIMES
 *
 * with an ANSWER of error, gone, cancelled, wrong (data), never (until release). At the end the
 * time goes on until every drive has its verdict. Prints TAP. */

enum { WORDS_MAX = 8, LINE_BYTES = 200 };

struct scenario {
    const char *path;
    unsigned line;
    char *words[WORDS_MAX + 1]; /* of the present line; NULL after the last */
    unsigned word_count;
    struct rig *rig;
    uint32_t image_count;
    FILE *trace;
};

/* --- Scenarios -------------------------------------------------------------------------------- */

static _Noreturn void misread(const struct scenario *scenario)
{
    (void)printf("Bail out! %s:%u: this line is not understood\n", scenario->path, scenario->line);
    exit(2);
}

static uint32_t number(const struct scenario *scenario, unsigned word, uint32_t below)
{
    char *end = NULL;
    const char *text = word < scenario->word_count ? scenario->words[word] : "";
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value >= below)
        misread(scenario);
    return (uint32_t)value;
}

static uint64_t milliseconds(const struct scenario *scenario, unsigned word)
{
    return number(scenario, word, UINT32_MAX) * NS_PER_MS;
}

static uint32_t slot(const struct scenario *scenario, unsigned word)
{
    return number(scenario, word, scenario->rig->config.slot_count);
}

/* Which of these words it is. */
static unsigned choice(const struct scenario *scenario, unsigned word, const char *const *words,
                       unsigned count)
{
    for (unsigned i = 0; word < scenario->word_count && i < count; i++) {
        if (strcmp(scenario->words[word], words[i]) == 0)
            return i;
    }
    misread(scenario);
}

static void do_slots(struct scenario *scenario)
{
    scenario->rig = rig_new(number(scenario, 1, RIG_SLOTS_MAX + 1));
    scenario->rig->trace = scenario->trace;
}

static void do_master(struct scenario *scenario)
{
    scenario->rig->load_ns = milliseconds(scenario, 1);
}

static void do_drive(struct scenario *scenario)
{
    scenario->rig->drives[slot(scenario, 1)].chunk_ns = milliseconds(scenario, 2);
}

static void do_late(struct scenario *scenario)
{
    scenario->rig->late_ns = milliseconds(scenario, 1);
}

static void do_image(struct scenario *scenario)
{
    static const char *const kinds[] = {"bare", "manifest"};
    uint32_t chunks = number(scenario, 1, RIG_CHUNKS_MAX + 1);
    bool with_manifest = choice(scenario, 2, kinds, 2) == 1;

    if (scenario->image_count == RIG_IMAGES_MAX)
        misread(scenario);
    if (scenario->image_count == 0)
        rig_start(scenario->rig);
    rig_add_image(scenario->rig, scenario->image_count++, chunks, with_manifest);
}

static void do_forget(struct scenario *scenario)
{
    rig_forget_image(scenario->rig, number(scenario, 1, scenario->image_count));
}

static void do_drive_chunks(struct scenario *scenario)
{
    scenario->rig->drives[slot(scenario, 1)].facts.capacity_bytes =
        (uint64_t)number(scenario, 2, UINT32_MAX) * RIG_CHUNK_BYTES;
}

static void do_unplug(struct scenario *scenario)
{
    scenario->rig->config.unplug_ns = milliseconds(scenario, 1);
}

static void do_arm(struct scenario *scenario)
{
    const char *const modes[] = {trace_mode_word(MODE_WRITE), trace_mode_word(MODE_VERIFY)};
    enum press_mode mode = (enum press_mode)choice(scenario, 1, modes, 2);
    uint64_t images = scenario->word_count > 2 ? 0 : 1;

    for (unsigned word = 2; word < scenario->word_count; word++)
        images |= UINT64_C(1) << number(scenario, word, scenario->image_count);
    rig_arm_auto(scenario->rig, mode, images);
}

static void do_disarm(struct scenario *scenario)
{
    rig_disarm(scenario->rig);
}

static void do_fill(struct scenario *scenario)
{
    uint32_t image = scenario->word_count > 2 ? number(scenario, 2, scenario->image_count) : 0;

    rig_fill(scenario->rig, slot(scenario, 1), image);
}

static void do_attach(struct scenario *scenario)
{
    static const char *const when[] = {"before", "anew"};
    struct rig_drive *drive = &scenario->rig->drives[slot(scenario, 1)];
    unsigned which = scenario->word_count > 2 ? choice(scenario, 2, when, 2) : 2;

    drive->plugged_before = which == 0;
    drive->told_anew = which == 1;
    (void)rig_attach(scenario->rig, slot(scenario, 1));
}

static void do_clear(struct scenario *scenario)
{
    rig_clear(scenario->rig, slot(scenario, 1));
}

static void do_start(struct scenario *scenario)
{
    (void)rig_start_drive(scenario->rig, slot(scenario, 1));
}

static void do_detach(struct scenario *scenario)
{
    rig_detach(scenario->rig, slot(scenario, 1));
}

static void do_stop(struct scenario *scenario)
{
    rig_stop(scenario->rig, slot(scenario, 1));
}

static void do_release(struct scenario *scenario)
{
    rig_release(scenario->rig);
}

static void do_fault(struct scenario *scenario)
{
    static const char *const requests[] = {"load", "write", "read"};
    static const enum action_type types[] = {ACTION_LOAD, ACTION_WRITE, ACTION_READ};
    static const char *const answers[] = {"ok", "error", "gone", "cancelled", "wrong", "never"};
    enum action_type type = types[choice(scenario, 1, requests, 3)];
    unsigned word = type == ACTION_LOAD ? 2 : 3;
    uint32_t whose = type == ACTION_LOAD ? RIG_MASTER : slot(scenario, 2);
    uint32_t chunk = number(scenario, word, RIG_CHUNKS_MAX);
    enum rig_answer answer = (enum rig_answer)choice(scenario, word + 1, answers, 6);

    rig_fault(scenario->rig, type, whose, chunk, answer, number(scenario, word + 2, 100));
}

static const struct {
    const char *name;
    void (*run)(struct scenario *scenario);
    bool before_slots;
} commands[] = {
    {"disarm", do_disarm, false},   {"drive-chunks", do_drive_chunks, false},
    {"forget", do_forget, false},   {"start", do_start, false},
    {"unplug", do_unplug, false},   {"slots", do_slots, true},
    {"master", do_master, false},   {"drive", do_drive, false},
    {"late", do_late, false},       {"image", do_image, false},
    {"arm", do_arm, false},         {"attach", do_attach, false},
    {"detach", do_detach, false},   {"stop", do_stop, false},
    {"release", do_release, false}, {"fill", do_fill, false},
    {"fault", do_fault, false},     {"clear", do_clear, false},
};

static void run_command(struct scenario *scenario)
{
    for (size_t i = 0; i < array_count(commands); i++) {
        if (strcmp(scenario->words[0], commands[i].name) != 0)
            continue;
        if (commands[i].before_slots != (scenario->rig == NULL))
            misread(scenario);
        commands[i].run(scenario);
        return;
    }
    misread(scenario);
}

static void wait_until(struct scenario *scenario)
{
    uint64_t until_ns = RIG_BEGIN_NS + milliseconds(scenario, 1);

    if (scenario->rig == NULL || scenario->word_count < 3 || until_ns < scenario->rig->now_ns)
        misread(scenario);
    rig_pass(scenario->rig, until_ns - scenario->rig->now_ns);
    scenario->word_count -= 2;
    memmove(scenario->words, scenario->words + 2, sizeof(scenario->words) - 2 * sizeof(char *));
}

static void run_line(struct scenario *scenario, char *line)
{
    char *rest = NULL;

    line[strcspn(line, "#\n")] = '\0';
    scenario->word_count = 0;
    for (char *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (scenario->word_count == WORDS_MAX)
            misread(scenario);
        scenario->words[scenario->word_count++] = word;
    }
    if (scenario->word_count > 0 && strcmp(scenario->words[0], "at") == 0)
        wait_until(scenario);
    if (scenario->word_count > 0)
        run_command(scenario);
}

/* The trace of a scenario, to be freed; NULL if it cannot be read. */
static char *run_scenario(const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    char line[LINE_BYTES];
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return NULL;
    struct scenario scenario = {.path = path, .trace = open_memstream(&text, &bytes)};
    check(scenario.trace != NULL);
    while (fgets(line, sizeof(line), file) != NULL) {
        scenario.line++;
        run_line(&scenario, line);
    }
    (void)fclose(file);
    if (scenario.rig == NULL)
        misread(&scenario);
    rig_run(scenario.rig);
    rig_free(scenario.rig);
    (void)fclose(scenario.trace);
    return text;
}

/* --- Goldens ---------------------------------------------------------------------------------- */

static char *read_text(const char *path)
{
    char *text = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return strdup("");
    if (getdelim(&text, &room, '\0', file) < 0) {
        free(text);
        text = strdup("");
    }
    (void)fclose(file);
    return text;
}

static bool write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (file == NULL)
        return false;
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

static void print_lines(char mark, const char *text, unsigned count)
{
    for (unsigned i = 0; i < count && *text != '\0'; i++) {
        size_t length = strcspn(text, "\n");
        (void)printf("# %c%.*s\n", mark, (int)length, text);
        text += length + (text[length] == '\n' ? 1 : 0);
    }
}

/* From where the two part, with some lines before. */
static void print_difference(const char *expected, const char *got)
{
    enum { BEFORE = 3, AFTER = 10 };
    const char *begins[BEFORE + 1] = {expected, expected, expected, expected};
    size_t at = 0;
    unsigned line = 1;

    for (; expected[at] != '\0' && expected[at] == got[at]; at++) {
        if (expected[at] != '\n')
            continue;
        memmove(begins, begins + 1, BEFORE * sizeof(begins[0]));
        begins[BEFORE] = expected + at + 1;
        line++;
    }
    (void)printf("# differs from line %u on (- expected, + got)\n", line);
    print_lines(' ', begins[0], line > BEFORE ? BEFORE : line - 1);
    print_lines('-', begins[BEFORE], AFTER);
    print_lines('+', got + (begins[BEFORE] - expected), AFTER);
}

static bool run_golden(const char *path, bool update)
{
    static const char from[] = ".scenario";
    char golden[LINE_BYTES];
    size_t stem = strlen(path) > strlen(from) ? strlen(path) - strlen(from) : 0;

    if (strcmp(path + stem, from) != 0 || stem + sizeof(".golden") > sizeof(golden)) {
        (void)printf("# its name must end with %s\n", from);
        return false;
    }
    (void)snprintf(golden, sizeof(golden), "%.*s.golden", (int)stem, path);
    char *got = run_scenario(path);
    if (got == NULL) {
        (void)printf("# %s\n", strerror(errno));
        return false;
    }
    char *expected = read_text(golden);
    check(expected != NULL);
    bool same = strcmp(expected, got) == 0;
    if (!same && update)
        same = write_text(golden, got);
    if (!same)
        print_difference(expected, got);
    free(expected);
    free(got);
    return same;
}

int main(int argc, char **argv)
{
    int first = 1;
    bool update = argc > 1 && strcmp(argv[1], "--update") == 0;
    glob_t found = {0};

    if (update)
        first++;
    if (first == argc && glob("tests/golden/*.scenario", 0, NULL, &found) == 0) {
        argv = found.gl_pathv;
        argc = (int)found.gl_pathc;
        first = 0;
    }
    if (first == argc) {
        (void)printf("Bail out! no scenarios here: run it in the root of the tree\n");
        return 2;
    }
    int failed = 0;
    (void)printf("1..%d\n", argc - first);
    for (int i = first; i < argc; i++) {
        bool good = run_golden(argv[i], update);
        (void)printf("%sok %d - %s\n", good ? "" : "not ", i - first + 1, argv[i]);
        failed += good ? 0 : 1;
    }
    globfree(&found);
    return failed == 0 ? 0 : 1;
}
