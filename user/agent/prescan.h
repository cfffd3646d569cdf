/* SPDX-License-Identifier: Apache-2.0 */
/* Files that may soon be run: found before they are, so that their first call is not their last
 * chance to be looked at. */
#ifndef PROBITY_AGENT_PRESCAN_H
#define PROBITY_AGENT_PRESCAN_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

struct prescan;
/* found(ctx, fd, path): a program or library worth a look; fd is not kept. idle(ctx): whether there
 * is time for that now. NULL: out of memory. */
struct prescan *prescan_new(struct event_base *base,
			    void (*found)(void *ctx, int fd, const char *path),
			    bool (*idle)(void *ctx), void *ctx);
/* Besides: every file that was written, at once; told with the ctx of prescan_new. */
void prescan_also(struct prescan *p, void (*written)(void *ctx, int fd));
void prescan_free(struct prescan *p);
void prescan_tick(struct prescan *p); /* once a second */
json_t *prescan_status(const struct prescan *p);

#endif
