// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/action.h"

#include "lib/base/check.h"

#include <string.h>

struct action *action_add(struct action_list *list, enum action_type type)
{
    check(list->count < ACTIONS_MAX);
    struct action *action = &list->items[list->count++];
    memset(action, 0, sizeof(*action));
    action->type = type;
    return action;
}
