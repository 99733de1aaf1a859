// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_TERMINAL_H
#define TOOLS_TERMINAL_H

#include <stdbool.h>

/* The terminal on stderr, on which progress is drawn. */

/* It is a terminal, and one that can move its cursor. */
bool terminal_can_draw(void);

/* Its columns and lines; 80 by 24 if it does not tell. */
void terminal_size(unsigned *width, unsigned *height);

#endif
