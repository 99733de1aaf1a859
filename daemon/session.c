// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/session.h"

#include "daemon/connection.h"
#include "daemon/images.h"
#include "daemon/shell.h"
#include "daemon/status.h"
#include "lib/base/check.h"
#include "lib/base/units.h"
#include "lib/wire/message.h"
#include "lib/wire/run.h"
#include "lib/wire/snapshot.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <uv.h>

/* Happy path: hello, press.run, its answer, transitions and status until every drive has its
 * verdict, finished, the client closes, every drive is closed, the end.
 *
 * Failure modes: a broken line or request is answered with an error; a client that goes away stops
 * the drives; one that reads too slowly misses progress, never a transition. A drive that the
 * kernel does not let go of is left to the end of the process. */

/* Progress for the screen: as often as an eye can follow. */
enum { STATUS_MS = 200 };

/* How long drives may take to close before the process ends without them. */
enum { CLOSE_MS_MAX = 1000 };

struct session {
    uv_loop_t loop;
    struct connection client;
    uv_timer_t status_timer;
    uv_timer_t close_timer;
    uv_signal_t terminate;

    bool asked;    /* press.run was received: there is one per session */
    bool started;  /* and it goes on, or went */
    bool finished; /* and every drive has its verdict, and the client was told */
    bool leaving;  /* the client is gone */
    uint32_t verdicts;
    struct run_request request;
    struct source source;
    struct shell shell;
    struct snapshot *snapshot;
};

/* --- To the client ---------------------------------------------------------------------------- */

static void send_error(struct session *session, const struct message *message,
                       enum wire_error error, const char *reason)
{
    connection_send(&session->client, message_error(message->has_id, message->id, error, reason));
}

static void fill_snapshot(struct session *session)
{
    struct snapshot *snapshot = session->snapshot;

    snapshot->armed = true;
    (void)snprintf(snapshot->armed_image, sizeof(snapshot->armed_image), "%s",
                   session->source.name);
    snapshot->armed_mode = session->request.mode;
    for (uint32_t i = 0; i < session->request.target_count; i++) {
        status_fill_slot(&snapshot->slots[i], &session->shell, i);
        (void)snprintf(snapshot->slots[i].name, sizeof(snapshot->slots[i].name), "%u", i + 1);
    }
    status_fill_totals(snapshot, &session->shell);
}

static void send_snapshot(struct session *session, const char *method)
{
    fill_snapshot(session);
    connection_send(&session->client,
                    message_notification(method, snapshot_encode(session->snapshot)));
}

static void send_hello(struct session *session)
{
    struct hello hello = {.server = "drivepress/" DRIVEPRESS_VERSION,
                          .protocol_major = WIRE_PROTOCOL_MAJOR,
                          .protocol_minor = WIRE_PROTOCOL_MINOR,
                          .role = "operator",
                          .max_request_bytes = WIRE_LINE_BYTES_MAX};
    connection_send(&session->client,
                    message_notification(WIRE_METHOD_HELLO, hello_encode(&hello)));
}

static void on_status_timer(uv_timer_t *timer)
{
    struct session *session = timer->data;

    if (connection_keeps_up(&session->client))
        send_snapshot(session, WIRE_METHOD_STATUS);
}

/* --- The run ---------------------------------------------------------------------------------- */

/* After a step of the press, not inside it, when the report is complete. */
static void finish_if_done(struct session *session)
{
    if (session->finished || session->verdicts < session->request.target_count)
        return;
    session->finished = true;
    (void)uv_timer_stop(&session->status_timer);
    send_snapshot(session, WIRE_METHOD_FINISHED);
}

static void on_changed(void *context, uint32_t slot, enum slot_state state, enum verdict verdict)
{
    struct session *session = context;
    struct transition transition = {.state = state, .verdict = verdict};

    (void)snprintf(transition.slot, sizeof(transition.slot), "%u", slot + 1);
    if (slot_state_final(state)) {
        (void)snprintf(transition.note, sizeof(transition.note), "%s",
                       shell_note(&session->shell, slot, verdict));
        session->verdicts++;
    }
    connection_send(&session->client,
                    message_notification(WIRE_METHOD_TRANSITION, transition_encode(&transition)));
}

static void leave_if_quiet(struct session *session);

static void on_quiet(void *context)
{
    leave_if_quiet(context);
}

static void send_run_result(struct session *session, uint64_t id)
{
    const struct source *source = &session->source;
    struct run_result *result = calloc(1, sizeof(*result));

    if (result == NULL)
        return;
    (void)snprintf(result->image.name, sizeof(result->image.name), "%s", source->name);
    (void)snprintf(result->image.path, sizeof(result->image.path), "%s", source->path);
    (void)snprintf(result->image.sha256, sizeof(result->image.sha256), "%s", source->sha256);
    result->image.size_bytes = source->file_bytes;
    result->image.padded_bytes = source->image.size_bytes;
    result->image.chunk_bytes = source->image.chunk_bytes;
    result->image.manifest = source->has_manifest;
    (void)snprintf(result->engine, sizeof(result->engine), "%s",
                   shell_engine_name(&session->shell));
    (void)snprintf(result->engine_note, sizeof(result->engine_note), "%s",
                   session->shell.engine_note);
    result->pool_bytes = session->shell.pool.memory.iov_len;
    connection_send(&session->client, message_result(id, run_result_encode(result)));
    free(result);
}

static int attach_drive(struct session *session, uint32_t slot)
{
    const struct run_target *target = &session->request.targets[slot];
    struct shell_drive drive = {.path = target->path,
                                .expected = {.block = target->block,
                                             .number = makedev(target->major, target->minor),
                                             .diskseq = target->diskseq},
                                .simulated = session->request.simulate,
                                .plugged_ns = uv_hrtime()};

    return shell_attach(&session->shell, slot, &drive);
}

/* Opens the image and the shell. WIRE_ERROR_COUNT for success, else the error with a reason. */
static enum wire_error prepare_run(struct session *session, char reason[WIRE_REASON_BYTES])
{
    const struct run_request *request = &session->request;
    char why[SHELL_REASON_BYTES] = "";
    _Static_assert((int)SHELL_REASON_BYTES >= (int)IMAGE_REASON_BYTES, "a source's reason fits");
    int error = source_open(&session->source, request->image, request->images,
                            request->manifest[0] == '\0' ? NULL : request->manifest, why);
    if (error != 0) {
        (void)snprintf(reason, WIRE_REASON_BYTES, "%s", why);
        return images_error(error);
    }
    /* Simulated drives have no descriptor to give to the kernel. */
    struct shell_config config = {.slot_count = request->target_count,
                                  .window = request->window,
                                  .chunk_bytes = session->source.image.chunk_bytes,
                                  .useful_bytes = session->source.image.size_bytes,
                                  .engine = request->simulate ? ENGINE_THREADS : request->engine,
                                  .pool_bytes = request->pool_bytes,
                                  .stall_ns = request->stall_ms * NS_PER_MS};
    session->shell.loop = &session->loop;
    session->shell.context = session;
    session->shell.changed = on_changed;
    session->shell.quiet = on_quiet;
    error = shell_open(&session->shell, &config, why);
    session->snapshot = snapshot_create(request->target_count);
    if (error == 0 && session->snapshot != NULL)
        return WIRE_ERROR_COUNT;
    (void)snprintf(reason, WIRE_REASON_BYTES, "%s", error != 0 ? why : "no memory for the status");
    if (error == -EINVAL)
        return WIRE_ERROR_BAD_PARAMS;
    return error == -ENOSYS ? WIRE_ERROR_ENGINE_FAILED : WIRE_ERROR_NO_MEMORY;
}

static void begin_run(struct session *session, const struct message *message)
{
    char reason[WIRE_REASON_BYTES];

    if (session->asked) {
        send_error(session, message, WIRE_ERROR_BUSY,
                   "this session has its run: start another one for the next");
        return;
    }
    int error = run_request_decode(&session->request, message->body, reason);
    if (error != 0) {
        send_error(session, message,
                   error == -ENOMEM ? WIRE_ERROR_NO_MEMORY : WIRE_ERROR_BAD_PARAMS, reason);
        return;
    }
    session->asked = true;
    enum wire_error refused = prepare_run(session, reason);
    if (refused != WIRE_ERROR_COUNT) {
        send_error(session, message, refused, reason);
        return;
    }
    session->started = true;
    send_run_result(session, message->id);
    shell_arm(&session->shell, session->request.mode,
              UINT64_C(1) << shell_add_image(&session->shell, &session->source));
    for (uint32_t i = 0; i < session->request.target_count; i++)
        check(attach_drive(session, i) == 0); /* a few KiB each */
    check(uv_timer_start(&session->status_timer, on_status_timer, 0, STATUS_MS) == 0);
}

static void stop_run(struct session *session)
{
    for (uint32_t i = 0; session->started && i < session->request.target_count; i++)
        shell_stop(&session->shell, i);
}

/* --- From the client -------------------------------------------------------------------------- */

static void answer(struct connection *client, const char *text, size_t length_bytes)
{
    struct session *session = client->context;
    struct message message;
    enum wire_error error = message_parse(&message, text, length_bytes);

    if (error != WIRE_ERROR_COUNT) {
        send_error(session, &message, error, "send one JSON-RPC 2.0 object per line");
        return;
    }
    if (message.type != MESSAGE_REQUEST) {
        send_error(session, &message, WIRE_ERROR_BAD_REQUEST, "only requests are served");
    } else if (strcmp(message.method, WIRE_METHOD_RUN) == 0) {
        begin_run(session, &message);
    } else if (strcmp(message.method, WIRE_METHOD_STOP) == 0) {
        connection_send(&session->client, message_result(message.id, json_object()));
        stop_run(session);
    } else {
        send_error(session, &message, WIRE_ERROR_UNKNOWN_METHOD,
                   "this session knows press.run and press.stop");
    }
    message_clear(&message);
}

static void leave_if_quiet(struct session *session)
{
    if (session->leaving && (!session->started || session->shell.drives_open == 0))
        uv_stop(&session->loop);
}

static void on_close_timer(uv_timer_t *timer)
{
    struct session *session = timer->data;
    uv_stop(&session->loop);
}

static void leave(struct session *session)
{
    if (session->leaving)
        return;
    session->leaving = true;
    stop_run(session);
    check(uv_timer_start(&session->close_timer, on_close_timer, CLOSE_MS_MAX, 0) == 0);
    leave_if_quiet(session);
}

/* Every drive gets its verdict at once; the client has a moment to take it in and go. */
static void on_terminate(uv_signal_t *signal, int number)
{
    struct session *session = signal->data;

    (void)number;
    stop_run(session);
    check(uv_timer_start(&session->close_timer, on_close_timer, CLOSE_MS_MAX, 0) == 0);
}

/* A client that will not stop the drives any more is as good as gone. */
static void on_gone(struct connection *client)
{
    leave(client->context);
}

/* --- The session ------------------------------------------------------------------------------ */

/* Everything that came out of a step of the press was told; now whether that was all. */
static void on_check(uv_check_t *handle)
{
    struct session *session = handle->data;

    if (session->started && !session->finished)
        finish_if_done(session);
}

static void start_handles(struct session *session, uv_check_t *checker)
{
    uv_loop_t *loop = &session->loop;

    check(uv_timer_init(loop, &session->status_timer) == 0);
    check(uv_timer_init(loop, &session->close_timer) == 0);
    check(uv_signal_init(loop, &session->terminate) == 0);
    check(uv_check_init(loop, checker) == 0);
    session->status_timer.data = session;
    session->close_timer.data = session;
    session->terminate.data = session;
    checker->data = session;
    check(uv_signal_start(&session->terminate, on_terminate, SIGTERM) == 0);
    check(uv_check_start(checker, on_check) == 0);
}

int session_run(int fd)
{
    static struct session session;
    static uv_check_t checker;

    session.client.context = &session;
    session.client.received_line = answer;
    session.client.finished = on_gone;
    session.client.gone = on_gone;
    if (uv_loop_init(&session.loop) != 0 ||
        connection_init(&session.client, &session.loop, WIRE_LINE_BYTES_MAX) != 0 ||
        uv_pipe_open(&session.client.pipe, fd) != 0) {
        (void)fprintf(stderr, "drivepressd: descriptor %d is not a socket that can be served\n",
                      fd);
        return 1;
    }
    start_handles(&session, &checker);
    send_hello(&session);
    if (connection_start(&session.client) != 0)
        return 1;
    (void)uv_run(&session.loop, UV_RUN_DEFAULT);
    return 0;
}
