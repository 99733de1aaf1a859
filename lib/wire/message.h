// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The envelope of every message: JSON-RPC 2.0, one UTF-8 object per line. Pure but for the heap;
 * any thread. */

enum {
    WIRE_PROTOCOL_MAJOR = 1, /* another major is another protocol: a client refuses it */
    WIRE_PROTOCOL_MINOR = 0, /* a larger minor only adds members and methods */

    /* Nesting of a message. A snapshot needs 5. */
    WIRE_DEPTH_MAX = 8,

    /* Room for texts, with the final zero. */
    WIRE_METHOD_BYTES = 64,
    WIRE_NAME_BYTES = 64, /* of a slot or a rig */
    WIRE_IMAGE_BYTES = 128,
    WIRE_PATH_BYTES = 4096, /* PATH_MAX */
    WIRE_NOTE_BYTES = 512,
    WIRE_REASON_BYTES = 1024,
};

#define WIRE_METHOD_HELLO      "hello"
#define WIRE_METHOD_RUN        "press.run"
#define WIRE_METHOD_STOP       "press.stop"
#define WIRE_METHOD_TRANSITION "transition"
#define WIRE_METHOD_STATUS     "status"
#define WIRE_METHOD_FINISHED   "finished"

/* Why a request was not carried out. Each has a stable word, in error.data.code. */
enum wire_error {
    WIRE_ERROR_INTERNAL, /* also any word that this version does not know */
    WIRE_ERROR_BAD_JSON,
    WIRE_ERROR_BAD_REQUEST,
    WIRE_ERROR_UNKNOWN_METHOD,
    WIRE_ERROR_BAD_PARAMS,
    WIRE_ERROR_BUSY,
    WIRE_ERROR_IMAGE_MISSING,
    WIRE_ERROR_IMAGE_UNTRUSTED,
    WIRE_ERROR_ENGINE_FAILED,
    WIRE_ERROR_NO_MEMORY,
    WIRE_ERROR_PERMISSION_DENIED, /* the socket is for looking only */
    WIRE_ERROR_NO_SUCH_SLOT,
    WIRE_ERROR_NOT_ARMED,
    WIRE_ERROR_DEVICE_REFUSED, /* the slot is not in a state for it */
    WIRE_ERROR_BAD_CONFIG,
    WIRE_ERROR_COUNT
};

/* "image-missing" and so on. Static. */
const char *wire_error_word(enum wire_error error);

enum message_type {
    MESSAGE_REQUEST,
    MESSAGE_NOTIFICATION,
    MESSAGE_RESULT,
    MESSAGE_ERROR,
};

/* A received message. */
struct message {
    enum message_type type;
    bool has_id;
    uint64_t id;                    /* a request's, and of its answer; false has_id: null */
    char method[WIRE_METHOD_BYTES]; /* REQUEST and NOTIFICATION */
    const json_t *body;             /* params or result; NULL if there is none; the message's */
    enum wire_error error;          /* ERROR */
    char reason[WIRE_REASON_BYTES]; /* ERROR: what to do, for people */
    json_t *root;                   /* the message's */
};

/* Reads one line, without its newline. On success the caller ends with message_clear. Otherwise it
 * returns the error to answer with (BAD_JSON, BAD_REQUEST or NO_MEMORY); message->has_id and id
 * tell what could be made out of the id, and there is nothing to clear. Members that are not known
 * are ignored; a member twice, nesting beyond WIRE_DEPTH_MAX and an id that is not an integer from
 * 0 to 2^53-1 are errors. Returns WIRE_ERROR_COUNT for success. */
enum wire_error message_parse(struct message *message, const char *line, size_t length_bytes);
void message_clear(struct message *message);

/* Each builds a line with its newline, for the caller to free(), or returns NULL for lack of
 * memory. The JSON value passes to the function, also on failure; NULL, which is what the encoders
 * return for lack of memory, is passed on as NULL. */
char *message_request(uint64_t id, const char *method, json_t *params);
char *message_notification(const char *method, json_t *params);
char *message_result(uint64_t id, json_t *result);

/* An error answers request `id`, or none (null) without has_id. */
char *message_error(bool has_id, uint64_t id, enum wire_error error, const char *reason);

/* The daemon's first word. */
struct hello {
    char server[WIRE_NAME_BYTES]; /* "drivepress/0.1.0" */
    uint32_t protocol_major;
    uint32_t protocol_minor;
    char role[WIRE_NAME_BYTES]; /* "operator" or "observer" */
    char rig[WIRE_NAME_BYTES];
    uint64_t max_request_bytes;
};

/* The params of "hello": a new reference, or NULL for lack of memory; and back: 0 or -EBADMSG. */
json_t *hello_encode(const struct hello *hello);
int hello_decode(struct hello *hello, const json_t *params);

#endif
