// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TESTS_CONFIG_FILES_H
#define TESTS_CONFIG_FILES_H

/* Configurations in files, and what is said of them: each test has an empty directory, with
 * main.conf and conf.d/ in it. Include after cmocka.h. */

#include "lib/config/config.h"

#include "tests/unit/image_files.h"

#define MAIN "main.conf"

static struct config_complaints complaints;

static inline void write_text(const char *path, const char *text)
{
    files_write(path, text, strlen(text));
}

static inline void write_drop_in(const char *name, const char *text)
{
    char path[64];

    (void)mkdir("conf.d", 0755);
    (void)snprintf(path, sizeof(path), "conf.d/%s", name);
    write_text(path, text);
}

/* Loads main.conf, which must be without a mistake. */
static inline struct config *load(void)
{
    struct config *config = config_load(MAIN, &complaints);

    if (config == NULL)
        print_message("# %s\n", complaints.items[0]);
    assert_non_null(config);
    assert_int_equal(complaints.count, 0);
    return config;
}

static inline struct config *load_text(const char *text)
{
    write_text(MAIN, text);
    return load();
}

static inline bool was_said(const char *complaint)
{
    for (unsigned i = 0; i < complaints.count && i < CONFIG_COMPLAINTS_MAX; i++) {
        if (strcmp(complaints.items[i], complaint) == 0)
            return true;
    }
    return false;
}

/* What is on disk is refused, with this complaint among others. */
static inline void expect_complaint(const char *complaint)
{
    assert_null(config_load(MAIN, &complaints));
    if (!was_said(complaint)) {
        print_message("# not said: %s\n", complaint);
        for (unsigned i = 0; i < complaints.count && i < CONFIG_COMPLAINTS_MAX; i++)
            print_message("#     said: %s\n", complaints.items[i]);
        fail();
    }
}

/* A text is refused with exactly this complaint. */
static inline void expect_only(const char *text, const char *complaint)
{
    write_text(MAIN, text);
    expect_complaint(complaint);
    assert_int_equal(complaints.count, 1);
}

/* Each of these values of a key is refused. */
static inline void refuse_values(const char *section, const char *key, const char *const *values)
{
    for (; *values != NULL; values++) {
        char text[512];
        (void)snprintf(text, sizeof(text), "[%s]\n%s = %s\n", section, key, *values);
        write_text(MAIN, text);
        if (config_load(MAIN, &complaints) != NULL)
            fail_msg("accepted: %s", text);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, files_setup, files_teardown)

#endif
