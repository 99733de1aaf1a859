// SPDX-License-Identifier: GPL-3.0-or-later
/* The happy path: hello, press.run, its answer, any number of transitions and statuses, finished.
 * What can fail: the daemon may be silent (bounded at the greeting and after a stop), end, or send
 * what is not of the protocol: all end the session as lost, with the reason. */
#include "tools/press_client.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/units.h"
#include "lib/wire/line.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    REQUEST_RUN = 1,
    REQUEST_STOP = 2,
    HELLO_WAIT_MS = 10000, /* the daemon greets before it does anything else */
    STOP_WAIT_MS = 10000,  /* from asking to stop to "finished" */
    READ_BYTES = 65536,
    LOG_LINE_BYTES_MAX = 4096,
    /* Reads between two looks at the clock and the signals. */
    READS_PER_TURN = 16,
};

enum phase { PHASE_GREETING, PHASE_ASKED, PHASE_RUNNING, PHASE_OVER };

struct press_client {
    struct press_client_files files;
    const struct run_request *request;
    struct display *display;
    struct press_outcome *outcome;
    struct snapshot *model;
    enum phase phase;
    struct wire_line lines;
    struct wire_line log_lines;
    char *output; /* what is still to be sent */
    size_t output_bytes;
    size_t output_sent;
    uint64_t started_ms;
    uint64_t stop_ms; /* when the stop was asked for */
    bool news;
};

static void end(struct press_client *client, enum press_client_end how)
{
    client->outcome->end = how;
    client->phase = PHASE_OVER;
}

__attribute__((format(printf, 2, 3))) static void lose(struct press_client *client,
                                                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(client->outcome->reason, sizeof(client->outcome->reason), format, arguments);
    va_end(arguments);
    end(client, CLIENT_LOST);
}

/* Queues a line and takes it over. */
static void send_line(struct press_client *client, char *line)
{
    size_t kept = client->output_bytes - client->output_sent;
    size_t added = line != NULL ? strlen(line) : 0;
    char *output = line != NULL ? malloc(kept + added) : NULL;
    if (output == NULL) {
        free(line);
        lose(client, "no memory to talk to drivepressd");
        return;
    }
    if (kept > 0)
        memcpy(output, client->output + client->output_sent, kept);
    memcpy(output + kept, line, added);
    free(line);
    free(client->output);
    client->output = output;
    client->output_bytes = kept + added;
    client->output_sent = 0;
}

static void flush_output(struct press_client *client)
{
    while (client->output_sent < client->output_bytes) {
        ssize_t count =
            send(client->files.session_fd, client->output + client->output_sent,
                 client->output_bytes - client->output_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        /* A daemon that is gone is noticed by reading, after its last words. */
        if (count < 0 && errno != EINTR)
            return;
        if (count > 0)
            client->output_sent += (size_t)count;
    }
}

static void take_hello(struct press_client *client, const struct message *message)
{
    struct hello hello;
    if (message->type != MESSAGE_NOTIFICATION || strcmp(message->method, WIRE_METHOD_HELLO) != 0 ||
        hello_decode(&hello, message->body) != 0) {
        lose(client, "drivepressd does not greet as drivepress does; install both programs from "
                     "one version");
        return;
    }
    if (hello.protocol_major != WIRE_PROTOCOL_MAJOR) {
        lose(client,
             "drivepressd speaks protocol %u and this program %d; install both programs "
             "from one version",
             hello.protocol_major, WIRE_PROTOCOL_MAJOR);
        return;
    }
    char *line = message_request(REQUEST_RUN, WIRE_METHOD_RUN, run_request_encode(client->request));
    if (line != NULL && strlen(line) > hello.max_request_bytes) {
        free(line);
        lose(client, "the request is longer than drivepressd takes; give fewer TARGETs at once");
        return;
    }
    client->phase = PHASE_ASKED;
    client->outcome->asked = true;
    send_line(client, line);
}

static void take_answer(struct press_client *client, const struct message *message)
{
    struct press_outcome *outcome = client->outcome;
    if (message->has_id && message->id == REQUEST_STOP)
        return;
    if (message->type == MESSAGE_ERROR) {
        outcome->error = message->error;
        (void)snprintf(outcome->reason, sizeof(outcome->reason), "%s", message->reason);
        end(client, CLIENT_REFUSED);
        return;
    }
    if (client->phase != PHASE_ASKED || message->id != REQUEST_RUN ||
        run_result_decode(&outcome->result, message->body) != 0) {
        lose(client, "drivepressd gave an answer that makes no sense (internal error)");
        return;
    }
    _Static_assert(sizeof(client->model->armed_image) == sizeof(outcome->result.image.name),
                   "one limit for the names of images");
    memcpy(client->model->armed_image, outcome->result.image.name,
           sizeof(client->model->armed_image));
    outcome->running = true;
    client->phase = PHASE_RUNNING;
    client->news = true;
}

/* The slot of a name as press.run gives them: "1" to target_count. -1 for any other. */
static int slot_of(const struct press_client *client, const char *name)
{
    char text[WIRE_NAME_BYTES];
    unsigned long number = strtoul(name, NULL, 10);
    if (number < 1 || number > client->model->slot_count)
        return -1;
    (void)snprintf(text, sizeof(text), "%lu", number);
    return strcmp(text, name) == 0 ? (int)number - 1 : -1;
}

static int take_transition(struct press_client *client, const json_t *params)
{
    struct transition transition;
    if (transition_decode(&transition, params) != 0)
        return -EBADMSG;
    int index = slot_of(client, transition.slot);
    if (index < 0)
        return -EBADMSG;
    struct snapshot_slot *slot = &client->model->slots[index];
    slot->state = transition.state;
    slot->verdict = transition.verdict;
    if (transition.note[0] != '\0')
        (void)snprintf(slot->drive.note, sizeof(slot->drive.note), "%s", transition.note);
    display_transition(client->display, client->model, (uint32_t)index);
    client->news = true;
    return 0;
}

static int take_snapshot(struct press_client *client, const json_t *params)
{
    struct snapshot *snapshot = NULL;
    int error = snapshot_decode(&snapshot, params);
    if (error != 0)
        return error;
    client->model->master_bytes_read = snapshot->master_bytes_read;
    for (uint32_t i = 0; i < snapshot->slot_count && error == 0; i++) {
        int index = slot_of(client, snapshot->slots[i].name);
        if (index < 0) {
            error = -EBADMSG;
            break;
        }
        struct snapshot_slot *slot = &client->model->slots[index];
        char target[sizeof(slot->target)];
        memcpy(target, slot->target, sizeof(target));
        *slot = snapshot->slots[i];
        /* As it was typed. */
        memcpy(slot->target, target, sizeof(target));
    }
    free(snapshot);
    client->news = true;
    return error;
}

static void take_notification(struct press_client *client, const struct message *message)
{
    int error = 0;
    if (client->phase != PHASE_RUNNING)
        return;
    if (strcmp(message->method, WIRE_METHOD_TRANSITION) == 0)
        error = take_transition(client, message->body);
    else if (strcmp(message->method, WIRE_METHOD_STATUS) == 0)
        error = take_snapshot(client, message->body);
    else if (strcmp(message->method, WIRE_METHOD_FINISHED) == 0) {
        error = take_snapshot(client, message->body);
        if (error == 0)
            end(client, CLIENT_FINISHED);
    }
    if (error != 0)
        lose(client, "drivepressd sent a \"%s\" that makes no sense (internal error)",
             message->method);
}

static void take_line(struct press_client *client, const char *text, size_t length_bytes)
{
    struct message message;
    enum wire_error error = message_parse(&message, text, length_bytes);
    if (error != WIRE_ERROR_COUNT) {
        lose(client, "drivepressd sent a line that is not of the protocol (%s)",
             wire_error_word(error));
        return;
    }
    if (client->phase == PHASE_GREETING)
        take_hello(client, &message);
    else if (message.type == MESSAGE_NOTIFICATION)
        take_notification(client, &message);
    else if (message.type != MESSAGE_REQUEST)
        take_answer(client, &message);
    message_clear(&message);
}

/* Takes in received bytes, or a failure to receive them. */
static void take_bytes(struct press_client *client, const char *data, size_t length_bytes)
{
    char *text = NULL;
    size_t text_bytes = 0;
    int result = wire_line_feed(&client->lines, data, length_bytes);
    if (result != 0) {
        lose(client, "no memory to listen to drivepressd");
        return;
    }
    while (client->phase != PHASE_OVER &&
           (result = wire_line_next(&client->lines, &text, &text_bytes)) == 1)
        take_line(client, text, text_bytes);
    if (client->phase != PHASE_OVER && result < 0)
        lose(client, "drivepressd sent a line without end (internal error)");
}

static void read_session(struct press_client *client)
{
    char data[READ_BYTES];
    for (unsigned i = 0; i < READS_PER_TURN && client->phase != PHASE_OVER; i++) {
        ssize_t count = recv(client->files.session_fd, data, sizeof(data), MSG_DONTWAIT);
        if (count > 0)
            take_bytes(client, data, (size_t)count);
        else if (count < 0 && errno == EINTR)
            continue;
        else if (count < 0 && errno == EAGAIN)
            return;
        else
            lose(client, "drivepressd went away in the middle of the work");
    }
}

/* What the daemon says for people appears among our own lines. */
static void read_log(struct press_client *client)
{
    char data[LOG_LINE_BYTES_MAX];
    char *text = NULL;
    size_t text_bytes = 0;
    ssize_t count = read(client->files.log_fd, data, sizeof(data));
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    int result = count > 0 ? wire_line_feed(&client->log_lines, data, (size_t)count) : -1;
    while (result >= 0 && (result = wire_line_next(&client->log_lines, &text, &text_bytes)) == 1)
        display_note(client->display, text);
    if (result < 0)
        client->files.log_fd = -1;
}

static void ask_to_stop(struct press_client *client)
{
    if (client->outcome->stopped) {
        end(client, CLIENT_GIVEN_UP);
        return;
    }
    client->outcome->stopped = true;
    client->stop_ms = clock_now_ms();
    client->display->options.stopping = true;
    client->news = true;
    if (client->phase == PHASE_GREETING) {
        end(client, CLIENT_GIVEN_UP);
        return;
    }
    if (!client->display->live)
        display_note(client->display, "Stopping; once more ends at once.");
    send_line(client, message_request(REQUEST_STOP, WIRE_METHOD_STOP, json_object()));
}

static void read_signals(struct press_client *client)
{
    struct signalfd_siginfo info;
    while (client->phase != PHASE_OVER &&
           read(client->files.signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT)
            display_resized(client->display);
        else
            ask_to_stop(client);
    }
}

/* Ends a session that waits for nothing any more. Returns the milliseconds until the next look, or
 * -1 for ever. */
static int check_patience(struct press_client *client, uint64_t now)
{
    if (client->outcome->stopped) {
        uint64_t waited_ms = now - client->stop_ms;
        if (waited_ms >= STOP_WAIT_MS)
            end(client, CLIENT_GIVEN_UP);
        return (int)(STOP_WAIT_MS - min_u64(waited_ms, STOP_WAIT_MS));
    }
    if (client->phase == PHASE_GREETING) {
        uint64_t waited_ms = now - client->started_ms;
        if (waited_ms >= HELLO_WAIT_MS)
            lose(client, "drivepressd was started but says nothing");
        return (int)(HELLO_WAIT_MS - min_u64(waited_ms, HELLO_WAIT_MS));
    }
    return -1;
}

static int sooner(int a_ms, int b_ms)
{
    if (a_ms < 0 || b_ms < 0)
        return a_ms < 0 ? b_ms : a_ms;
    return a_ms < b_ms ? a_ms : b_ms;
}

/* Waits for anything to happen and deals with it. */
static void turn(struct press_client *client)
{
    uint64_t now = clock_now_ms();
    int timeout_ms = check_patience(client, now);
    if (client->phase == PHASE_RUNNING) {
        timeout_ms =
            sooner(timeout_ms, display_update(client->display, client->model, client->news, now));
        client->news = false;
    }
    if (client->phase == PHASE_OVER)
        return;

    bool sending = client->output_sent < client->output_bytes;
    struct pollfd files[] = {
        {.fd = client->files.session_fd, .events = (short)(POLLIN | (sending ? POLLOUT : 0))},
        {.fd = client->files.signal_fd, .events = POLLIN},
        {.fd = client->files.log_fd, .events = POLLIN},
    };
    int count = poll(files, array_count(files), timeout_ms);
    if (count < 0 && errno != EINTR) {
        lose(client, "cannot wait for drivepressd: %s", strerror(errno));
        return;
    }
    if (count <= 0)
        return;
    if ((files[1].revents & POLLIN) != 0)
        read_signals(client);
    if (files[2].revents != 0)
        read_log(client);
    if (files[0].revents != 0 && client->phase != PHASE_OVER)
        read_session(client);
    flush_output(client);
}

static struct snapshot *model_create(const struct run_request *request, char *const *names)
{
    struct snapshot *model = snapshot_create(request->target_count);
    if (model == NULL)
        return NULL;
    model->armed = true;
    model->armed_mode = request->mode;
    for (uint32_t i = 0; i < request->target_count; i++) {
        (void)snprintf(model->slots[i].name, sizeof(model->slots[i].name), "%u", i + 1);
        (void)snprintf(model->slots[i].target, sizeof(model->slots[i].target), "%s", names[i]);
        model->slots[i].eta_s = WIRE_UNKNOWN;
    }
    return model;
}

/* We do not know how they would have ended: no drive is left without a verdict. */
static void give_missing_verdicts(struct press_client *client)
{
    for (uint32_t i = 0; i < client->model->slot_count; i++) {
        struct snapshot_slot *slot = &client->model->slots[i];
        if (slot->verdict != VERDICT_NONE)
            continue;
        slot->state = SLOT_FAILED;
        slot->verdict = VERDICT_INTERRUPTED;
        slot->residue = client->request->mode == MODE_WRITE ? RESIDUE_POSSIBLE : RESIDUE_UNTOUCHED;
    }
}

void press_client_run(const struct press_client_files *files, const struct run_request *request,
                      char *const *names, struct display *display, struct press_outcome *outcome)
{
    *outcome = (struct press_outcome){.end = CLIENT_LOST};
    struct press_client client = {.files = *files,
                                  .request = request,
                                  .display = display,
                                  .outcome = outcome,
                                  .model = model_create(request, names),
                                  .phase = PHASE_GREETING,
                                  .started_ms = clock_now_ms()};
    if (client.model == NULL) {
        lose(&client, "no memory for the list of drives");
        return;
    }
    wire_line_init(&client.lines, WIRE_LINE_BYTES_MAX);
    wire_line_init(&client.log_lines, LOG_LINE_BYTES_MAX);
    while (client.phase != PHASE_OVER)
        turn(&client);

    if (client.files.log_fd >= 0)
        read_log(&client);
    display_end(display);
    if (outcome->end != CLIENT_FINISHED)
        give_missing_verdicts(&client);
    outcome->snapshot = client.model;
    outcome->elapsed_ms = clock_now_ms() - client.started_ms;
    wire_line_free(&client.lines);
    wire_line_free(&client.log_lines);
    free(client.output);
}
