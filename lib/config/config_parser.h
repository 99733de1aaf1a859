// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CONFIG_CONFIG_PARSER_H
#define CONFIG_CONFIG_PARSER_H

#include "lib/config/config.h"

#include <stdbool.h>
#include <stddef.h>

/* The inside of the configuration's reader: texts go in one after the other, complaints and a
 * configuration come out. Pure but for the heap and what config_parser_finish() asks about the
 * directories. Internal to lib/config, its tests and its fuzzer. One thread at a time. */

/* Where something was told. */
struct config_place {
    const char *file; /* the parser's */
    unsigned line;    /* from 1; 0: nowhere, it is the default */
};

/* The keys of all sections but the slots', in the order of the table in config_keys.c. */
enum { CONFIG_KEYS_MAX = 32 };

enum config_slot_key {
    CONFIG_SLOT_USB,
    CONFIG_SLOT_MMC,
    CONFIG_SLOT_LUN,
    CONFIG_SLOT_ROW,
    CONFIG_SLOT_COL,
    CONFIG_SLOT_KEY_COUNT
};

/* A slot as it was told last. */
struct config_slot {
    struct config_place place;                       /* of its section */
    struct config_place keys[CONFIG_SLOT_KEY_COUNT]; /* also of a bad value */
    bool bad;                                        /* it has a complaint already */
    struct layout_slot slot;
};

enum config_section {
    CONFIG_SECTION_NONE, /* before the first one */
    CONFIG_SECTION_KEYS, /* one of the table */
    CONFIG_SECTION_SLOT,
    CONFIG_SECTION_BAD, /* it has a complaint; its keys are passed over */
};

struct config_parser {
    struct config *config;
    struct config_complaints *complaints;

    /* The files that were read: their names live as long as the parser. */
    char *files[1 + CONFIG_DROP_INS_MAX];
    unsigned file_count;

    enum config_section section;
    char section_name[CONFIG_LINE_BYTES_MAX + 1];
    struct config_slot *slot; /* with CONFIG_SECTION_SLOT */

    struct config_place keys[CONFIG_KEYS_MAX]; /* where each was told last */
    struct config_slot slots[SLOTS_MAX];
    unsigned slot_count;
};

/* Starts with the defaults; complaints are counted from 0. NULL for lack of memory, which is a
 * complaint too. */
struct config_parser *config_parser_new(struct config_complaints *complaints);

/* Takes in the text of a file, which counts more than the texts before. At most 1 +
 * CONFIG_DROP_INS_MAX times. */
void config_parser_read(struct config_parser *parser, const char *file, const char *text,
                        size_t text_bytes);

/* Judges what was told as a whole and frees the parser. The configuration, for the caller to
 * free(), or NULL when there is any complaint. */
struct config *config_parser_finish(struct config_parser *parser);

/* Adds a complaint about a place; line 0 is the file as a whole. What is not fit to be shown is
 * replaced. */
__attribute__((format(printf, 4, 5))) void config_complain(struct config_complaints *complaints,
                                                           const char *file, unsigned line,
                                                           const char *format, ...);

/* --- config_lines.c: the text as sections and keys, by inih --------------------------------------
 */

void config_lines_read(struct config_parser *parser, const char *file, const char *text,
                       size_t text_bytes);

/* --- config_keys.c ---------------------------------------------------------------------------- */

bool config_is_section(const char *name);
void config_keys_take(struct config_parser *parser, const struct config_place *place,
                      const char *key, const char *value);
/* What spans several keys, and the defaults that depend on others. */
void config_keys_finish(struct config_parser *parser);

/* A whole number in decimal digits between two bounds. */
bool config_parse_number(const char *value, uint64_t least, uint64_t most, uint64_t *number);

/* --- config_slots.c --------------------------------------------------------------------------- */

/* A section [slot NAME] begins. */
void config_slots_begin(struct config_parser *parser, const struct config_place *place,
                        const char *name);
void config_slots_take(struct config_parser *parser, const struct config_place *place,
                       const char *key, const char *value);
/* Puts the slots into the configuration's layout. */
void config_slots_finish(struct config_parser *parser);

#endif
