// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_MAILBOX_H
#define DAEMON_MAILBOX_H

#include <pthread.h>
#include <uv.h>

/* How other threads reach the loop: a mail is posted from any thread and delivered on the loop's,
 * in the order of posting. */

struct mail {
    struct mail *next;
    /* Runs on the loop's thread. The mail is the receiver's again when it begins. */
    void (*deliver)(struct mail *mail);
};

struct mailbox {
    uv_async_t async;
    pthread_mutex_t lock;
    struct mail *first;
    struct mail *last;
};

/* Starts a mailbox on a loop; it keeps the loop alive until mailbox_close. 0 or -errno. */
int mailbox_open(struct mailbox *mailbox, uv_loop_t *loop);

/* Any thread. The mail stays the poster's memory and must live until it is delivered. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);

/* Loop thread, when nobody posts any more. The mailbox may be freed when the loop has ended. */
void mailbox_close(struct mailbox *mailbox);

#endif
