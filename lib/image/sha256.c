// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/image/sha256.h"

#include "lib/base/check.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>

struct sha256_worker {
    crypto_hash_sha256_state state; /* the thread's, until it ended */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const void *data; /* what to hash next, NULL when all is done */
    size_t length_bytes;
    bool ending;
};

static void *sha256_run(void *context)
{
    struct sha256_worker *worker = context;

    check(pthread_mutex_lock(&worker->lock) == 0);
    for (;;) {
        while (worker->data == NULL && !worker->ending)
            check(pthread_cond_wait(&worker->changed, &worker->lock) == 0);
        if (worker->data == NULL)
            break;
        check(pthread_mutex_unlock(&worker->lock) == 0);
        check(crypto_hash_sha256_update(&worker->state, worker->data, worker->length_bytes) == 0);
        check(pthread_mutex_lock(&worker->lock) == 0);
        worker->data = NULL;
        check(pthread_cond_signal(&worker->changed) == 0);
    }
    check(pthread_mutex_unlock(&worker->lock) == 0);
    return NULL;
}

int sha256_start(struct sha256_worker **worker)
{
    struct sha256_worker *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    check(crypto_hash_sha256_init(&made->state) == 0);
    check(pthread_mutex_init(&made->lock, NULL) == 0);
    check(pthread_cond_init(&made->changed, NULL) == 0);
    int error = pthread_create(&made->thread, NULL, sha256_run, made);
    if (error != 0) {
        free(made);
        return -error;
    }
    *worker = made;
    return 0;
}

static void wait_until_hashed(struct sha256_worker *worker)
{
    while (worker->data != NULL)
        check(pthread_cond_wait(&worker->changed, &worker->lock) == 0);
}

void sha256_update(struct sha256_worker *worker, const void *data, size_t length_bytes)
{
    check(data != NULL);
    check(pthread_mutex_lock(&worker->lock) == 0);
    wait_until_hashed(worker);
    worker->data = data;
    worker->length_bytes = length_bytes;
    check(pthread_cond_signal(&worker->changed) == 0);
    check(pthread_mutex_unlock(&worker->lock) == 0);
}

void sha256_finish(struct sha256_worker *worker, char text[SHA256_TEXT_BYTES])
{
    unsigned char digest[crypto_hash_sha256_BYTES];

    check(pthread_mutex_lock(&worker->lock) == 0);
    wait_until_hashed(worker);
    worker->ending = true;
    check(pthread_cond_signal(&worker->changed) == 0);
    check(pthread_mutex_unlock(&worker->lock) == 0);
    check(pthread_join(worker->thread, NULL) == 0);

    check(crypto_hash_sha256_final(&worker->state, digest) == 0);
    if (text != NULL)
        (void)sodium_bin2hex(text, SHA256_TEXT_BYTES, digest, sizeof(digest));
    check(pthread_mutex_destroy(&worker->lock) == 0);
    check(pthread_cond_destroy(&worker->changed) == 0);
    free(worker);
}
