// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/mailbox.h"

#include "lib/base/check.h"

#include <stddef.h>

static void deliver_all(uv_async_t *async)
{
    struct mailbox *mailbox = async->data;

    (void)pthread_mutex_lock(&mailbox->lock);
    struct mail *mail = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = NULL;
    (void)pthread_mutex_unlock(&mailbox->lock);

    while (mail != NULL) {
        struct mail *next = mail->next;
        mail->deliver(mail);
        mail = next;
    }
}

int mailbox_open(struct mailbox *mailbox, uv_loop_t *loop)
{
    *mailbox = (struct mailbox){0};
    check(pthread_mutex_init(&mailbox->lock, NULL) == 0);
    mailbox->async.data = mailbox;
    return uv_async_init(loop, &mailbox->async, deliver_all);
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    mail->next = NULL;
    (void)pthread_mutex_lock(&mailbox->lock);
    if (mailbox->last != NULL)
        mailbox->last->next = mail;
    else
        mailbox->first = mail;
    mailbox->last = mail;
    /* Inside the lock, so that whoever closes the mailbox after the last delivery is alone. */
    check(uv_async_send(&mailbox->async) == 0);
    (void)pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_close(struct mailbox *mailbox)
{
    uv_close((uv_handle_t *)&mailbox->async, NULL);
}
