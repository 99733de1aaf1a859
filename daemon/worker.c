// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/worker.h"

#include "lib/base/check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Tasks call read, write and ioctl and keep their data elsewhere; the default of 8 MiB per thread
 * would be counted against an unprivileged user's limits with 256 drives. */
enum { STACK_BYTES = 256 * 1024 };

struct worker {
    struct mailbox *mailbox;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct task *first;
    struct task *last;
    bool released;
    unsigned threads; /* alive, and the owner until it releases */

    unsigned roll;     /* how often it was called */
    unsigned missing;  /* threads that have not answered yet */
    struct mail *mail; /* for when all have; NULL while no roll is called */

    char name[16];
};

/* Gives up one share in the worker; called with the lock held, which it releases. */
static void drop_share(struct worker *worker)
{
    bool last = --worker->threads == 0;
    (void)pthread_mutex_unlock(&worker->lock);
    if (!last)
        return;
    (void)pthread_cond_destroy(&worker->wake);
    (void)pthread_mutex_destroy(&worker->lock);
    free(worker);
}

/* A thread comes by, with the lock held: `answered` is the last roll that it answered. */
static void answer_roll(struct worker *worker, unsigned *answered)
{
    if (*answered == worker->roll)
        return;
    *answered = worker->roll;
    if (--worker->missing == 0 && worker->mail != NULL) {
        mailbox_post(worker->mailbox, worker->mail);
        worker->mail = NULL;
    }
}

static void *serve(void *argument)
{
    struct worker *worker = argument;
    unsigned answered = 0;

    (void)pthread_setname_np(pthread_self(), worker->name);
    (void)pthread_mutex_lock(&worker->lock);
    for (;;) {
        answer_roll(worker, &answered);
        while (worker->first == NULL && !worker->released) {
            (void)pthread_cond_wait(&worker->wake, &worker->lock);
            answer_roll(worker, &answered);
        }
        struct task *task = worker->first;
        if (task == NULL)
            break;
        worker->first = task->next;
        if (worker->first == NULL)
            worker->last = NULL;
        (void)pthread_mutex_unlock(&worker->lock);
        task->run(task);
        mailbox_post(worker->mailbox, &task->done);
        (void)pthread_mutex_lock(&worker->lock);
    }
    drop_share(worker);
    return NULL;
}

/* Starts one detached thread with every signal blocked: signals are the loop's. */
static int start_thread(struct worker *worker)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;

    check(pthread_attr_init(&attributes) == 0);
    check(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    check(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attributes, serve, worker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return error;
}

struct worker *worker_start(const char *name, unsigned thread_count, struct mailbox *mailbox)
{
    check(thread_count >= 1 && thread_count <= WORKER_THREADS_MAX);
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return NULL;
    worker->mailbox = mailbox;
    worker->threads = 1;
    (void)strncpy(worker->name, name, sizeof(worker->name) - 1);
    check(pthread_mutex_init(&worker->lock, NULL) == 0);
    check(pthread_cond_init(&worker->wake, NULL) == 0);

    for (unsigned i = 0; i < thread_count; i++) {
        (void)pthread_mutex_lock(&worker->lock);
        worker->threads++;
        (void)pthread_mutex_unlock(&worker->lock);
        int error = start_thread(worker);
        if (error != 0) {
            (void)pthread_mutex_lock(&worker->lock);
            worker->threads--;
            (void)pthread_mutex_unlock(&worker->lock);
            worker_release(worker);
            errno = error;
            return NULL;
        }
    }
    return worker;
}

void worker_submit(struct worker *worker, struct task *task)
{
    task->next = NULL;
    (void)pthread_mutex_lock(&worker->lock);
    check(!worker->released);
    if (worker->last != NULL)
        worker->last->next = task;
    else
        worker->first = task;
    worker->last = task;
    (void)pthread_cond_signal(&worker->wake);
    (void)pthread_mutex_unlock(&worker->lock);
}

void worker_call_roll(struct worker *worker, struct mail *answered)
{
    (void)pthread_mutex_lock(&worker->lock);
    check(!worker->released && worker->mail == NULL);
    worker->roll++;
    worker->missing = worker->threads - 1; /* all but the owner */
    worker->mail = answered;
    (void)pthread_cond_broadcast(&worker->wake);
    (void)pthread_mutex_unlock(&worker->lock);
}

bool worker_cancel_roll(struct worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    bool cancelled = worker->mail != NULL;
    worker->mail = NULL;
    (void)pthread_mutex_unlock(&worker->lock);
    return cancelled;
}

void worker_release(struct worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->released = true;
    (void)pthread_cond_broadcast(&worker->wake);
    drop_share(worker);
}
