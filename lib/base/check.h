// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

/* Assertions that are always on. A failed check is a bug in this program, never a drive's, a
 * client's or a file's misbehaviour: those are values. It stops the program at the place of the
 * bug, because a duplicator that goes on with a broken idea of the world may bless a bad copy.
 * Any thread. */

#define check(condition)                                                                           \
    ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__, __func__))

/* For a place that no run reaches: `why` tells what would have to be true. */
#define check_never(why) check_failed(why, __FILE__, __LINE__, __func__)

/* Prints the failed condition with its place on stderr and aborts. */
_Noreturn void check_failed(const char *condition, const char *file, int line,
                            const char *function);

#endif
