// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include "daemon/dock.h"
#include "daemon/hotplug.h"
#include "daemon/images.h"
#include "daemon/server.h"
#include "daemon/shell.h"
#include "daemon/watchdog.h"
#include "lib/config/config.h"
#include "lib/rig/roster.h"

#include <uv.h>

/* The service: the daemon that watches the rig, starts drives by itself while it is armed, and
 * answers on its sockets. This header is for its own parts: service.c sets it up and ends it,
 * rig.c turns what comes and goes into drives in slots, arming.c knows what is to be done with
 * them, requests.c answers clients. Loop thread. */

enum { SERVICE_HUBS_MAX = 128 };

/* What requests are answered with between the signal and the end. */
#define SERVICE_ENDING "the daemon is ending; ask again when it was started anew"

struct service {
    uv_loop_t loop;
    const char *config_file; /* as given; NULL: the usual one */
    struct config *config;
    bool stopping;

    struct shell shell;
    struct server *server;
    struct watchdog *watchdog;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_signal_t hangup;
    uv_timer_t close_timer;

    /* The rig. */
    struct layout
        layout; /* the configuration's, and the slots that got their names by themselves */
    struct roster roster;
    struct layout_hub hubs[SERVICE_HUBS_MAX]; /* that were seen */
    uint32_t hub_count;
    struct hotplug *hotplug; /* NULL where there is no udev */
    struct dock *dock;       /* NULL without one */
    uv_timer_t settle;       /* until the rig is quiet after the start */
    uv_timer_t settle_end;   /* or for so long at most */

    /* Arming. */
    struct images *images;
    bool armed;
    char armed_image[MANIFEST_NAME_BYTES]; /* as asked for: a name, or "auto" */
    enum press_mode armed_mode;
    uint64_t armed_images;   /* by number, while it is armed */
    uv_timer_t master_timer; /* after a step in which a master failed */
    char master_trouble[WIRE_NOTE_BYTES];
    bool arming; /* images are being opened */
    char arming_image[MANIFEST_NAME_BYTES];
    enum press_mode arming_mode;
    uint64_t arming_client; /* 0: nobody waits for an answer */
    uint64_t arming_id;     /* of the request */
};

/* Runs the service until SIGTERM or SIGINT. Returns the exit status. */
int service_run(const char *config_file);

/* Reads the configuration again and takes over what can be changed while running: names and places
 * of slots, the policy, what `arm` does by default. Passes are not touched. 0 with what needs a
 * restart, or -EINVAL with the first complaint; all of them are logged. */
int service_reload(struct service *service, char needs_restart[WIRE_NOTE_BYTES],
                   char reason[WIRE_REASON_BYTES]);

/* Tells the service manager what `systemctl status` is to show. */
void service_tell_manager(const struct service *service);

/* --- rig.c ------------------------------------------------------------------------------------ */

/* Starts to watch ports and dock. 0, or -1 with a reason. */
int rig_open(struct service *service, char reason[SERVER_REASON_BYTES]);

/* Takes over the layout of a configuration that was loaded again. */
void rig_reload(struct service *service);
void rig_close(struct service *service);

/* --- arming.c --------------------------------------------------------------------------------- */

/* Arms: drives that are plugged in from now on are started. The client is answered when the images
 * are opened or were given up, which may take a while; client 0 is the configuration's
 * arm_on_start. Returns an error at once, with a reason, or WIRE_ERROR_COUNT. */
enum wire_error arming_arm(struct service *service, const char *image, enum press_mode mode,
                           uint64_t client, uint64_t request_id, char reason[WIRE_REASON_BYTES]);

/* Also gives up an arming that is under way. */
void arming_disarm(struct service *service);

/* After the start: arms if the configuration says so, once nothing came for a while. */
void arming_start(struct service *service);

/* The configuration was read again: what it does not want any more does not happen. */
void arming_reload(struct service *service);

/* A drive was a victim of its master, and why. Disarms, after this step of the press, when no armed
 * image is sound. */
void arming_master_failed(struct service *service, const char *why);

/* The daemon ends: nothing is armed any more. */
void arming_end(struct service *service);

/* --- requests.c ------------------------------------------------------------------------------- */

/* As in struct server_events. */
char *requests_answer(void *context, const struct server_client *client,
                      const struct message *message, bool *later);

#endif
