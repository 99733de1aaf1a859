// SPDX-License-Identifier: GPL-3.0-or-later

/* A file system of drives that behave badly: each file drive0, drive1, … has a rate, a latency and
 * faults of its own. A loop device over one of them is the most faithful bad drive that a machine
 * without USB can have, because the kernel's block layer is in between.
 *
 *   fuse_drive [--master FILE] MOUNTPOINT SPEC...
 *
 * A SPEC is "key=value,…" (the table `keys` below) and makes `count` files. Sizes take K, M or G.
 * While it runs, setxattr(FILE, "user.drive", "key=value,…") changes a drive, and the attribute
 * "user.written" tells how many bytes were written to it.
 *
 * No thread ever waits for a drive: an answer that is not due yet is kept in a list by its time,
 * one that never comes in the list of its drive. So a hanging file blocks only itself. */

#define FUSE_USE_VERSION 314

#include "tests/support/fuse_store.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { DRIVES_MAX = 256, RECEIVERS_MAX = 4 };

#define NEVER FUSE_STORE_NEVER

struct drive {
    struct fuse_store store;
    uint64_t read_rate; /* bytes a second; 0: as fast as it goes */
    uint64_t write_rate;
    uint64_t latency_ms; /* of each request */
    uint64_t open_ms;    /* how long opening takes */
    uint64_t hang;       /* 1: answer nothing any more */
    uint64_t hang_after; /* bytes written and read */
    uint64_t yank_after; /* bytes written and read; then every request fails with ENODEV */
    uint64_t write_error_at;
    uint64_t read_error_at;
    uint64_t count;

    uint64_t busy_until_ns;
    uint64_t written;
    uint64_t moved; /* written and read */
    struct answer *hung;
};

/* A request that is not answered yet. */
struct answer {
    fuse_req_t request;
    struct answer *next; /* in the list of due or of hung ones */
    struct drive *drive;
    uint64_t due_ns;
    uint64_t offset; /* of a read */
    size_t length;   /* of a read or a write */
    int error;
    enum { ANSWER_OPEN, ANSWER_READ, ANSWER_WRITE, ANSWER_FLUSH } kind;
    struct fuse_file_info file;
};

/* clang-format off */
static const struct {
    const char *name;
    size_t offset;
    uint64_t initial;
} keys[] = {
#define KEY(name, initial) {#name, offsetof(struct drive, name), initial}
#define STORE_KEY(name, initial) {#name, offsetof(struct drive, store.name), initial}
    STORE_KEY(capacity, 64 << 20),
    STORE_KEY(real_capacity, NEVER),
    KEY(read_rate, 0),
    KEY(write_rate, 0),
    KEY(latency_ms, 0),
    KEY(open_ms, 0),
    KEY(hang, 0),
    KEY(hang_after, NEVER),
    KEY(yank_after, NEVER),
    KEY(write_error_at, NEVER),
    KEY(read_error_at, NEVER),
    STORE_KEY(flip_write_at, NEVER),
    {"store", offsetof(struct drive, store.kind), FUSE_STORE_MEMORY}, /* a word of `kinds` */
    KEY(count, 1),
#undef KEY
#undef STORE_KEY
};
/* clang-format on */

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static struct drive drives[DRIVES_MAX];
static unsigned drive_count;
static struct fuse_master master;

/* Guards every drive's numbers and the list; not what the drives hold. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake;
static struct answer *due; /* answers that wait for their time, the soonest first */
static bool ending;

static void die(const char *what)
{
    (void)fprintf(stderr, "fuse_drive: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- What a drive is told to be --------------------------------------------------------------- */

static int parse_value(const char *text, uint64_t *value)
{
    static const char *const kinds[] = {"memory", "discard", "master"};
    char *end;

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, kinds[i]) == 0) {
            *value = i;
            return 0;
        }
    }
    *value = strtoull(text, &end, 10);
    static const char units[] = "KMG";
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);
    if (unit != NULL) {
        *value <<= 10 * (unit - units + 1);
        end++;
    }
    return end == text || *end != '\0' ? -1 : 0;
}

/* Sets what a SPEC names and leaves the rest. -1 if it is not understood. */
static int parse_spec(struct drive *drive, const char *spec, size_t length)
{
    char text[512];
    char *rest = NULL;

    if (length >= sizeof(text))
        return -1;
    memcpy(text, spec, length);
    text[length] = '\0';
    for (char *item = strtok_r(text, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(item, '=');
        unsigned key = 0;
        if (equals == NULL)
            return -1;
        *equals = '\0';
        while (key < KEY_COUNT && strcmp(keys[key].name, item) != 0)
            key++;
        if (key == KEY_COUNT ||
            parse_value(equals + 1, (uint64_t *)(void *)((char *)drive + keys[key].offset)) != 0)
            return -1;
    }
    return 0;
}

static void add_drives(const char *spec)
{
    struct drive model = {0};

    for (unsigned key = 0; key < KEY_COUNT; key++)
        *(uint64_t *)(void *)((char *)&model + keys[key].offset) = keys[key].initial;
    errno = EINVAL;
    if (parse_spec(&model, spec, strlen(spec)) != 0 || model.store.capacity == 0 ||
        model.store.real_capacity == 0 || model.count > DRIVES_MAX - drive_count ||
        (model.store.kind == FUSE_STORE_MASTER && master.data == NULL))
        die(spec);
    for (uint64_t i = 0; i < model.count; i++) {
        struct drive *drive = &drives[drive_count++];
        *drive = model;
        if (fuse_store_open(&drive->store, &master) != 0)
            die("mmap");
    }
}

/* --- Answers, now or later -------------------------------------------------------------------- */

static void give(struct answer *answer)
{
    struct drive *drive = answer->drive;
    uint8_t *room = NULL;

    if (answer->error != 0) {
        (void)fuse_reply_err(answer->request, answer->error);
    } else if (answer->kind == ANSWER_OPEN) {
        (void)fuse_reply_open(answer->request, &answer->file);
    } else if (answer->kind == ANSWER_WRITE) {
        (void)fuse_reply_write(answer->request, answer->length);
    } else if (answer->kind == ANSWER_FLUSH) {
        (void)fuse_reply_err(answer->request, 0);
    } else if ((room = malloc(answer->length + 1)) == NULL) {
        (void)fuse_reply_err(answer->request, ENOMEM);
    } else {
        const uint8_t *data = fuse_store_read(&drive->store, answer->offset, answer->length, room);
        (void)fuse_reply_buf(answer->request, (const char *)data, answer->length);
    }
    free(room);
    free(answer);
}

/* Keeps the list in the order of time. It is short: what all drives have in flight. */
static void due_insert(struct answer *answer)
{
    struct answer **link = &due;

    while (*link != NULL && (*link)->due_ns <= answer->due_ns)
        link = &(*link)->next;
    answer->next = *link;
    *link = answer;
}

static struct answer *due_take(void)
{
    struct answer *first = due;

    due = first->next;
    return first;
}

/* Gives each answer when it is due. */
static void *timer_main(void *argument)
{
    (void)argument;
    (void)pthread_mutex_lock(&lock);
    while (!ending) {
        if (due == NULL) {
            (void)pthread_cond_wait(&wake, &lock);
        } else if (due->due_ns > now_ns()) {
            uint64_t due_ns = due->due_ns;
            struct timespec until = {.tv_sec = (time_t)(due_ns / 1000000000u),
                                     .tv_nsec = (long)(due_ns % 1000000000u)};
            (void)pthread_cond_timedwait(&wake, &lock, &until);
        } else {
            struct answer *answer = due_take();
            (void)pthread_mutex_unlock(&lock);
            give(answer);
            (void)pthread_mutex_lock(&lock);
        }
    }
    (void)pthread_mutex_unlock(&lock);
    return NULL;
}

/* The time at which a transfer that begins now is done: requests of a drive queue up. */
static uint64_t busy_ns(struct drive *drive, const struct answer *answer)
{
    uint64_t rate = answer->kind == ANSWER_READ ? drive->read_rate : drive->write_rate;
    uint64_t now = now_ns();

    if (drive->busy_until_ns < now)
        drive->busy_until_ns = now;
    drive->busy_until_ns += drive->latency_ms * 1000000u;
    if (rate != 0 && answer->length != 0)
        drive->busy_until_ns += (uint64_t)((double)answer->length * 1e9 / (double)rate);
    return drive->busy_until_ns;
}

/* Takes a request on: it is answered at once, later or never. */
static void answer(fuse_req_t request, struct drive *drive, struct answer model)
{
    struct answer *new = malloc(sizeof(*new));
    bool later = true;

    if (new == NULL) {
        (void)fuse_reply_err(request, ENOMEM);
        return;
    }
    *new = model;
    new->request = request;
    new->drive = drive;
    (void)pthread_mutex_lock(&lock);
    drive->moved += new->length;
    if (drive->moved > drive->yank_after)
        new->error = ENODEV;
    if (new->kind == ANSWER_OPEN)
        new->due_ns = now_ns() + drive->open_ms * 1000000u;
    else
        new->due_ns = busy_ns(drive, new);
    if (drive->hang != 0 || drive->moved > drive->hang_after) {
        new->next = drive->hung;
        drive->hung = new;
    } else if (new->due_ns > now_ns()) {
        due_insert(new);
        (void)pthread_cond_signal(&wake);
    } else {
        later = false;
    }
    (void)pthread_mutex_unlock(&lock);
    if (!later)
        give(new);
}

static void release_hung(struct drive *drive)
{
    (void)pthread_mutex_lock(&lock);
    struct answer *hung = drive->hung;
    drive->hung = NULL;
    (void)pthread_mutex_unlock(&lock);
    while (hung != NULL) {
        struct answer *next = hung->next;
        give(hung);
        hung = next;
    }
}

/* --- The file system -------------------------------------------------------------------------- */

/* Inode 1 is the directory, inode i + 2 is drive i. */
static struct drive *drive_of(fuse_ino_t inode)
{
    return inode >= 2 && inode - 2 < drive_count ? &drives[inode - 2] : NULL;
}

static struct stat attributes(fuse_ino_t inode)
{
    struct stat st = {.st_ino = inode, .st_nlink = 1, .st_uid = getuid(), .st_gid = getgid()};

    if (drive_of(inode) == NULL) {
        st.st_mode = S_IFDIR | 0755;
    } else {
        st.st_mode = S_IFREG | 0644;
        st.st_size = (off_t)drive_of(inode)->store.capacity;
        st.st_blksize = FUSE_STORE_BLOCK_BYTES;
    }
    return st;
}

static void fs_init(void *context, struct fuse_conn_info *connection)
{
    (void)context;
    /* All asynchronous requests of the mount share this; 12 by default, so that a few hung ones
     * would block every drive. */
    connection->max_background = UINT16_MAX;
    connection->congestion_threshold = UINT16_MAX;
    connection->want |= connection->capable & FUSE_CAP_ASYNC_DIO;
}

static void fs_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param entry = {.attr_timeout = 60, .entry_timeout = 60};
    unsigned number;
    char rest;

    if (parent != 1 || sscanf(name, "drive%u%c", &number, &rest) != 1 || number >= drive_count) {
        (void)fuse_reply_err(request, ENOENT);
        return;
    }
    entry.ino = number + 2;
    entry.attr = attributes(entry.ino);
    (void)fuse_reply_entry(request, &entry);
}

static void fs_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
    struct stat st = attributes(inode);

    (void)file;
    (void)fuse_reply_attr(request, &st, 60);
}

static void fs_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
    struct drive *drive = drive_of(inode);

    if (drive == NULL) {
        (void)fuse_reply_err(request, EISDIR);
        return;
    }
    file->direct_io = 1; /* every request comes here and none from the page cache */
    answer(request, drive, (struct answer){.kind = ANSWER_OPEN, .file = *file});
}

static void fs_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                    struct fuse_file_info *file)
{
    struct drive *drive = drive_of(inode);
    struct answer model = {.kind = ANSWER_READ, .offset = (uint64_t)offset, .length = size};

    (void)file;
    if (model.offset >= drive->store.capacity)
        model.length = 0;
    else if (size > drive->store.capacity - model.offset)
        model.length = drive->store.capacity - model.offset;
    if (fuse_store_covers(model.offset, model.length, drive->read_error_at))
        model.error = EIO;
    answer(request, drive, model);
}

static void fs_write(fuse_req_t request, fuse_ino_t inode, const char *data, size_t size,
                     off_t offset, struct fuse_file_info *file)
{
    struct drive *drive = drive_of(inode);
    struct answer model = {.kind = ANSWER_WRITE, .length = size};
    uint64_t begin = (uint64_t)offset;

    (void)file;
    if (begin > drive->store.capacity || size > drive->store.capacity - begin) {
        (void)fuse_reply_err(request, ENOSPC);
        return;
    }
    if (fuse_store_covers(begin, size, drive->write_error_at))
        model.error = EIO;
    else if (drive->hang == 0)
        fuse_store_write(&drive->store, begin, data, size);
    (void)pthread_mutex_lock(&lock);
    drive->written += size;
    (void)pthread_mutex_unlock(&lock);
    answer(request, drive, model);
}

static void fs_fsync(fuse_req_t request, fuse_ino_t inode, int only_data,
                     struct fuse_file_info *file)
{
    (void)only_data;
    (void)file;
    answer(request, drive_of(inode), (struct answer){.kind = ANSWER_FLUSH});
}

static void fs_setxattr(fuse_req_t request, fuse_ino_t inode, const char *name, const char *value,
                        size_t size, int flags)
{
    struct drive *drive = drive_of(inode);
    int error = EINVAL;

    (void)flags;
    if (drive != NULL && strcmp(name, "user.drive") == 0) {
        (void)pthread_mutex_lock(&lock);
        if (parse_spec(drive, value, size) == 0)
            error = 0;
        bool hangs = drive->hang != 0 || drive->moved > drive->hang_after;
        (void)pthread_mutex_unlock(&lock);
        if (!hangs)
            release_hung(drive);
    }
    (void)fuse_reply_err(request, error);
}

static void fs_getxattr(fuse_req_t request, fuse_ino_t inode, const char *name, size_t size)
{
    struct drive *drive = drive_of(inode);
    char text[32];

    if (drive == NULL || strcmp(name, "user.written") != 0) {
        (void)fuse_reply_err(request, ENODATA);
        return;
    }
    (void)pthread_mutex_lock(&lock);
    size_t length =
        (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)drive->written);
    (void)pthread_mutex_unlock(&lock);
    if (size == 0)
        (void)fuse_reply_xattr(request, length);
    else if (size < length)
        (void)fuse_reply_err(request, ERANGE);
    else
        (void)fuse_reply_buf(request, text, length);
}

static const struct fuse_lowlevel_ops operations = {
    .init = fs_init,
    .lookup = fs_lookup,
    .getattr = fs_getattr,
    .open = fs_open,
    .read = fs_read,
    .write = fs_write,
    .fsync = fs_fsync,
    .setxattr = fs_setxattr,
    .getxattr = fs_getxattr,
};

/* --- Start and end ---------------------------------------------------------------------------- */

static void map_master(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        die(path);
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        die(path);
    master = (struct fuse_master){data, (uint64_t)st.st_size};
    (void)close(fd);
}

static void start_timer(pthread_t *timer)
{
    pthread_condattr_t clock;

    if (pthread_condattr_init(&clock) != 0 ||
        pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) != 0 ||
        pthread_cond_init(&wake, &clock) != 0 || pthread_create(timer, NULL, timer_main, NULL) != 0)
        die("timer");
    (void)pthread_condattr_destroy(&clock);
}

static void stop_timer(pthread_t timer)
{
    (void)pthread_mutex_lock(&lock);
    ending = true;
    (void)pthread_cond_signal(&wake);
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_join(timer, NULL);
    while (due != NULL)
        give(due_take());
    for (unsigned i = 0; i < drive_count; i++)
        release_hung(&drives[i]);
}

/* Serves until the file system is unmounted or a signal comes. */
static int serve(const char *mountpoint)
{
    char *names[] = {(char[]){"fuse_drive"}, (char[]){"-o"}, (char[]){"fsname=fuse_drive"}, NULL};
    struct fuse_args arguments = FUSE_ARGS_INIT(3, names);
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    struct fuse_session *session =
        fuse_session_new(&arguments, &operations, sizeof(operations), NULL);
    pthread_t timer;
    int status = 1;

    if (session == NULL || config == NULL || fuse_set_signal_handlers(session) != 0)
        die("fuse");
    if (fuse_session_mount(session, mountpoint) == 0) {
        start_timer(&timer);
        fuse_loop_cfg_set_max_threads(config, RECEIVERS_MAX);
        status = fuse_session_loop_mt(session, config) == 0 ? 0 : 1;
        stop_timer(timer);
        fuse_session_unmount(session);
    }
    fuse_remove_signal_handlers(session);
    fuse_session_destroy(session);
    fuse_loop_cfg_destroy(config);
    fuse_opt_free_args(&arguments);
    return status;
}

int main(int argc, char **argv)
{
    int next = 1;

    if (argc > 3 && strcmp(argv[1], "--master") == 0) {
        map_master(argv[2]);
        next = 3;
    }
    if (argc - next < 2) {
        (void)fprintf(stderr, "usage: fuse_drive [--master FILE] MOUNTPOINT SPEC...\n");
        return 2;
    }
    for (int i = next + 1; i < argc; i++)
        add_drives(argv[i]);
    return serve(argv[next]);
}
