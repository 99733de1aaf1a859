// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef IMAGE_HASH_H
#define IMAGE_HASH_H

#include "lib/base/digest.h"

#include <stddef.h>

/* XXH3-128 over memory (xxHash; Y. Collet, "XXH3", the 128-bit variant with seed 0) and its text
 * form. Any thread. */

struct digest hash_bytes(const void *data, size_t length_bytes);

/* The same over data that comes in pieces. One thread at a time. */
struct hash_stream;

/* Returns a new stream, or NULL without memory. It is freed by hash_stream_free. */
struct hash_stream *hash_stream_new(void);
void hash_stream_update(struct hash_stream *stream, const void *data, size_t length_bytes);

/* The digest of all that was given so far. */
struct digest hash_stream_digest(const struct hash_stream *stream);
void hash_stream_free(struct hash_stream *stream); /* NULL is fine */

/* 32 lower-case hex digits, high half first, as `xxhsum -H2` prints. */
void hash_format(char text[DIGEST_TEXT_BYTES], struct digest digest);

/* Reads exactly what hash_format writes; -1 for anything else, and digest is then untouched. */
int hash_parse(const char *text, struct digest *digest);

#endif
