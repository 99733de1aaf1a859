// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef IMAGE_SHA256_H
#define IMAGE_SHA256_H

#include "lib/image/manifest.h"

#include <stddef.h>

/* SHA-256 (libsodium) on a thread of its own, so that its 0.46 GB/s overlap with reading and
 * copying. Used by one thread. */
struct sha256_worker;

/* Starts the thread. 0 or -errno. */
int sha256_start(struct sha256_worker **worker);

/* Waits until the data given before is hashed, then hands over more and returns at once. The data
 * must stay as it is until the next call. */
void sha256_update(struct sha256_worker *worker, const void *data, size_t length_bytes);

/* Waits for the rest, writes the digest as 64 lower-case hex digits unless text is NULL, ends the
 * thread and frees the worker. */
void sha256_finish(struct sha256_worker *worker, char text[SHA256_TEXT_BYTES]);

#endif
