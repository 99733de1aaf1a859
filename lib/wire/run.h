// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef WIRE_RUN_H
#define WIRE_RUN_H

#include "lib/core/event.h"
#include "lib/core/limits.h"
#include "lib/wire/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* "press.run": one image onto, or compared with, many drives. Pure but for the heap; any thread. */

/* Which I/O engine is to be used. */
enum engine_choice { ENGINE_AUTO, ENGINE_IO_URING, ENGINE_THREADS, ENGINE_CHOICE_COUNT };

/* "auto", "io_uring", "threads". Static; and back: ENGINE_CHOICE_COUNT for any other text. */
const char *engine_choice_word(enum engine_choice choice);
enum engine_choice engine_choice_from_word(const char *word);

/* A day: far beyond any drive worth waiting for, and safe to count in nanoseconds. */
enum { WIRE_STALL_MS_MAX = 86400000 };

/* A drive by its path, and what the path led to when it was chosen and shown: the daemon opens that
 * and nothing else. */
struct run_target {
    char *path;     /* 1 to WIRE_PATH_BYTES - 1 bytes */
    bool block;     /* a block device, else a regular file and the rest is 0 */
    uint32_t major; /* of st_rdev */
    uint32_t minor;
    uint64_t diskseq; /* the kernel's number of this disk, never used again; 0: not known */
};

struct run_request {
    enum press_mode mode;
    char image[WIRE_PATH_BYTES];    /* absolute path, or a name in the catalogue */
    char images[WIRE_PATH_BYTES];   /* the catalogue's directory; not empty */
    char manifest[WIRE_PATH_BYTES]; /* "": the one beside the image, if any */
    bool simulate;                  /* targets are files with a .sim description */
    enum engine_choice engine;
    uint64_t pool_bytes;   /* 0: the default */
    uint32_t window;       /* 1 to WINDOW_MAX */
    uint32_t stall_ms;     /* 1 to WIRE_STALL_MS_MAX */
    uint32_t target_count; /* 1 to SLOTS_MAX */
    /* Slot i is target i; its name is i + 1. With run_request_decode they and their paths are the
     * request's; else the caller's. */
    struct run_target *targets;
};

/* A new reference, or NULL for lack of memory. */
json_t *run_request_encode(const struct run_request *request);

/* 0; -EBADMSG with a reason that names the member; -ENOMEM with a reason. After success the caller
 * ends with run_request_free. */
int run_request_decode(struct run_request *request, const json_t *params,
                       char reason[WIRE_REASON_BYTES]);
void run_request_free(struct run_request *request);

/* The answer once the run goes on. */
struct run_result {
    struct {
        char name[WIRE_IMAGE_BYTES];
        char path[WIRE_PATH_BYTES];
        uint64_t size_bytes;   /* of the file */
        uint64_t padded_bytes; /* that a drive holds of it */
        uint32_t chunk_bytes;
        char sha256[65]; /* "" while not known */
        bool manifest;
    } image;
    char engine[WIRE_NAME_BYTES];      /* the one that runs */
    char engine_note[WIRE_NOTE_BYTES]; /* why not the better one; "" if it is */
    uint64_t pool_bytes;
};

/* A new reference, or NULL for lack of memory; and back: 0 or -EBADMSG. */
json_t *run_result_encode(const struct run_result *result);
int run_result_decode(struct run_result *result, const json_t *body);

#endif
