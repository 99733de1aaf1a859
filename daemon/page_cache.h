// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_PAGE_CACHE_H
#define DAEMON_PAGE_CACHE_H

#include <stdbool.h>

/* What the kernel keeps of a regular file in memory, for files that cannot be read past it. All
 * calls may block for as long as the file's system makes them. */

/* Whether the file is on a file system in memory, where the cache is all that there is of it. */
bool page_cache_is_all(int fd);

/* Throws out what the cache holds of the file, which must not be dirty (fsync), waiting up to
 * a second for others that hold some of it for a moment. 0; -EBUSY if something stays, as it does
 * while a program has it mapped; -EPERM if it is not for this user to see what stays; or another
 * -errno of this machine. */
int page_cache_drop(int fd);

#endif
