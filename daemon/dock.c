// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/dock.h"
#include "daemon/dock_files.h"

#include "lib/base/check.h"
#include "lib/base/container.h"
#include "lib/rig/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Happy path: a watch on the directory, then one reading of it; from there on each message is about
 * one name. A file that comes (IN_CREATE) is looked at every DOCK_LOOK_MS until it is settled,
 * which IN_CLOSE_WRITE and IN_MOVED_TO say at once. What is written to a file that is a drive
 * already is of no interest, so there is no IN_MODIFY: the engine's own writing costs nothing here.
 *
 * Failure modes: messages are lost (IN_Q_OVERFLOW): the directory is read again, and a file is the
 * one that was there only if inode and birth are the same. The directory is deleted, moved away,
 * unmounted, or another is mounted over it: its path is looked at now and then, and followed again
 * when it is back; its files then count as there from the start. So do those of a directory that
 * could not be read, or not all of it. A message that is older than a reading can only tell of what
 * came after the watch began, so that a file that was read already is at worst reported as gone and
 * there again.
 */

enum {
    IDLE_LOOK_MS = 500, /* at empty files, and whether the directory is still there */
    MESSAGES_BYTES = 16384,
};

#define WATCHED                                                                                    \
    (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF |       \
     IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

struct dock {
    struct dock_files files;
    uv_poll_t poll;
    uv_timer_t timer;
    int handles; /* not closed yet */
    int inotify_fd;
    int watch;                    /* -1: the directory is not there */
    struct dock_identity watched; /* the directory, while it is there */
    uint64_t checked_ms;          /* when it was looked at, uv_now() */
};

/* --- The directory ---------------------------------------------------------------------------- */

/* Begins to watch what the path leads to now. 0 or -errno. */
static int watch_directory(struct dock *dock)
{
    int watch = inotify_add_watch(dock->inotify_fd, dock->files.directory, WATCHED);

    if (watch < 0)
        return -errno;
    int error = dock_identify_directory(dock->files.directory, &dock->watched);
    if (error != 0) {
        (void)inotify_rm_watch(dock->inotify_fd, watch);
        return error;
    }
    dock->watch = watch;
    return 0;
}

static void lose_directory(struct dock *dock)
{
    if (dock->watch < 0)
        return;
    (void)inotify_rm_watch(dock->inotify_fd, dock->watch);
    dock->watch = -1;
    dock_files_leave_all(&dock->files);
    if (!dock->files.closed)
        dock->files.events.directory(dock->files.events.context, false);
}

/* Whether the path still leads to what is watched; looks for it while it does not. */
static void check_directory(struct dock *dock)
{
    struct dock_identity identity;

    if (dock->watch >= 0 && (dock_identify_directory(dock->files.directory, &identity) != 0 ||
                             !dock_identity_equal(&identity, &dock->watched)))
        lose_directory(dock);
    if (dock->watch < 0 && !dock->files.closed && watch_directory(dock) == 0) {
        dock_files_start_anew(&dock->files);
        dock->files.events.directory(dock->files.events.context, true);
        if (!dock->files.closed)
            dock_files_read(&dock->files, DOCK_ARRIVAL_FOUND);
    }
}

/* Reads again what is watched, never another directory that is in its place meanwhile: that one's
 * files did not come just now. */
static void read_again(struct dock *dock)
{
    int watch = dock->watch;

    check_directory(dock);
    if (!dock->files.closed && watch >= 0 && dock->watch == watch)
        dock_files_read(&dock->files, DOCK_ARRIVAL_SEEN);
}

/* --- Messages --------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

/* Looks soon while a file with a size is settling, else now and then. */
static void schedule(struct dock *dock)
{
    if (dock->files.closed)
        return;
    uint64_t interval_ms = dock_files_settling(&dock->files) ? DOCK_LOOK_MS : IDLE_LOOK_MS;
    if (uv_timer_get_repeat(&dock->timer) != interval_ms)
        check(uv_timer_start(&dock->timer, on_timer, interval_ms, interval_ms) == 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct dock *dock = container_of(timer, struct dock, timer);

    dock_files_look(&dock->files);
    if (!dock->files.closed && uv_now(timer->loop) - dock->checked_ms >= IDLE_LOOK_MS) {
        dock->checked_ms = uv_now(timer->loop);
        check_directory(dock);
    }
    if (!dock->files.closed && dock->files.read_again)
        read_again(dock);
    schedule(dock);
}

/* One message about a name in the directory. A file that was away and is back is another drive, for
 * nobody knows what was done to it. */
static void take_name(struct dock *dock, uint32_t mask, const char *name)
{
    if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
        dock_files_leave(&dock->files, name);
    else
        dock_files_arrive(&dock->files, name,
                          (mask & IN_CREATE) != 0 ? DOCK_ARRIVAL_SEEN : DOCK_ARRIVAL_FINISHED);
}

static void take_message(struct dock *dock, const struct inotify_event *message)
{
    if ((message->mask & IN_Q_OVERFLOW) != 0) {
        read_again(dock);
        return;
    }
    /* Of a directory that was lost there may be messages left. */
    if (dock->watch < 0 || message->wd != dock->watch)
        return;
    if ((message->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0)
        lose_directory(dock);
    else if (message->len > 0 && (message->mask & IN_ISDIR) == 0)
        take_name(dock, message->mask, message->name);
}

static void on_messages(uv_poll_t *poll, int status, int events)
{
    struct dock *dock = container_of(poll, struct dock, poll);
    _Alignas(struct inotify_event) char messages[MESSAGES_BYTES];

    (void)events;
    check(status == 0);
    ssize_t length = read(dock->inotify_fd, messages, sizeof(messages));
    if (length < 0) {
        check(errno == EAGAIN || errno == EINTR);
        return;
    }
    for (ssize_t at = 0; at < length && !dock->files.closed;) {
        const struct inotify_event *message = (const void *)(messages + at);
        at += (ssize_t)(sizeof(*message) + message->len);
        take_message(dock, message);
    }
    schedule(dock);
}

/* --- Opening and closing ---------------------------------------------------------------------- */

static struct dock *refuse(struct dock *dock, char reason[DOCK_REASON_BYTES], const char *why)
{
    (void)snprintf(reason, DOCK_REASON_BYTES, "the dock %.160s: %.80s", dock->files.directory, why);
    if (dock->inotify_fd >= 0)
        (void)close(dock->inotify_fd);
    free(dock);
    return NULL;
}

struct dock *dock_open(uv_loop_t *loop, const char *directory, const struct dock_events *events,
                       char reason[DOCK_REASON_BYTES])
{
    struct dock *dock = calloc(1, sizeof(*dock));

    if (dock == NULL) {
        (void)snprintf(reason, DOCK_REASON_BYTES, "no memory for the dock");
        return NULL;
    }
    dock->files.events = *events;
    dock->watch = -1;
    (void)snprintf(dock->files.directory, sizeof(dock->files.directory), "%s", directory);
    dock->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (dock->inotify_fd < 0)
        return refuse(dock, reason, strerror(errno));
    if (directory[0] != '/')
        return refuse(dock, reason, "this is not an absolute path");
    if (strlen(directory) + SLOT_NAME_BYTES + 1 > PATH_MAX)
        return refuse(dock, reason, "the path is too long");
    int error = watch_directory(dock);
    if (error != 0)
        return refuse(dock, reason, strerror(-error));

    check(uv_poll_init(loop, &dock->poll, dock->inotify_fd) == 0);
    check(uv_timer_init(loop, &dock->timer) == 0);
    dock->handles = 2;
    check(uv_poll_start(&dock->poll, UV_READABLE, on_messages) == 0);
    dock_files_read(&dock->files, DOCK_ARRIVAL_FROM_START);
    schedule(dock);
    return dock;
}

static void release(struct dock *dock)
{
    if (--dock->handles > 0)
        return;
    (void)close(dock->inotify_fd);
    free(dock);
}

static void on_poll_closed(uv_handle_t *handle)
{
    release(container_of(handle, struct dock, poll));
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(container_of(handle, struct dock, timer));
}

void dock_close(struct dock *dock)
{
    check(!dock->files.closed);
    dock->files.closed = true;
    dock_files_leave_all(&dock->files);
    uv_close((uv_handle_t *)&dock->poll, on_poll_closed);
    uv_close((uv_handle_t *)&dock->timer, on_timer_closed);
}
